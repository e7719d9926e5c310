//! Every key of the configuration, with its default.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::host::HostRoots;
use crate::units::{Volts, Watts};

use super::duration;

/// The whole configuration.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// The name of this node in every output; where not given, that in the variable `NODE_NAME`, else the host name.
    pub node_name: Option<String>,
    /// Where the machine's files are.
    pub host: HostConfig,
    /// What the kernel side counts, and how often it is read.
    pub activity: ActivityConfig,
    /// What measures.
    pub source: SourceConfig,
    /// Who containers and functions are.
    pub identity: IdentityConfig,
    /// How energy is shared out.
    pub attribution: AttributionConfig,
    /// How invocations of functions are found.
    pub invocation: InvocationConfig,
    /// How much is remembered.
    pub ledger: LedgerConfig,
    /// What outlives the agent.
    pub state: StateConfig,
    /// What the agent gives up once it has started.
    pub security: SecurityConfig,
    /// The HTTP listener for Prometheus.
    pub prometheus: PrometheusConfig,
    /// `[page]`
    pub page: PageConfig,
    /// What a kilowatt-hour stands for.
    pub footprint: FootprintConfig,
    /// The gRPC listener.
    pub grpc: GrpcConfig,
    /// Who may come in at both listeners.
    pub access: AccessConfig,
    /// Where spans are sent on to.
    pub otlp: OtlpConfig,
    /// Where power is written to.
    pub influxdb: InfluxdbConfig,
}

impl Config {
    /// Whether cycles and instructions are to be counted, where the processor does: only what is learned makes use of them.
    pub fn counts_instructions(&self) -> bool {
        self.activity.counters == Counters::Auto && self.attribution.weights == Weights::Learned
    }
}

/// `[host]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct HostConfig {
    /// Where sysfs is mounted.
    pub sysfs: PathBuf,
    /// Where procfs is mounted.
    pub procfs: PathBuf,
    /// Where the cgroup v2 hierarchy is mounted; found in `/proc/self/mountinfo` where not given.
    pub cgroupfs: Option<PathBuf>,
}

impl HostConfig {
    /// The same as roots for readers.
    pub fn roots(&self) -> HostRoots {
        let Self { sysfs, procfs, cgroupfs } = self.clone();
        HostRoots { sysfs, procfs, cgroupfs }
    }
}

impl Default for HostConfig {
    fn default() -> Self {
        Self { sysfs: "/sys".into(), procfs: "/proc".into(), cgroupfs: None }
    }
}

/// `[activity]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ActivityConfig {
    /// The length of a window: 1 ms to 10 s.
    #[serde(with = "duration")]
    pub window: Duration,
    /// How many consumers (processes in cgroups) the kernel side can tell apart at once. What is beyond them is
    /// counted together in one overflow line.
    pub max_consumers: u32,
    /// Diagnostics of the kernel programs: `off`, `error`, `warn`, `info`, `debug` or `trace`.
    pub kernel_log: String,
    /// The BTF file to take the kernel's layout from, on kernels without `/sys/kernel/btf/vmlinux`.
    pub btf: Option<PathBuf>,
    /// Whether the processor's own counters are counted for everybody.
    pub counters: Counters,
}

/// `activity.counters`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Counters {
    /// Cycles and instructions, where the machine has such counters.
    #[default]
    Auto,
    /// Nothing but time.
    Off,
}

impl Default for ActivityConfig {
    fn default() -> Self {
        Self {
            window: Duration::from_millis(100),
            max_consumers: 16_384,
            kernel_log: "off".into(),
            btf: None,
            counters: Counters::Auto,
        }
    }
}

/// `[source]`
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SourceConfig {
    /// The processor's own counters.
    pub rapl: RaplConfig,
    /// Power meters with a kernel driver.
    pub hwmon: HwmonConfig,
    /// ESP32 meters that speak protocol v1.
    pub esp32: Vec<Esp32Config>,
    /// Meters that speak Prony's own protocol v2.
    pub meter: Vec<MeterConfig>,
    /// The model for machines without a meter.
    pub estimate: EstimateConfig,
}

/// `[source.rapl]`
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RaplConfig {
    /// Which of the kernel's interfaces is used.
    pub interface: RaplInterface,
}

/// Which of the kernel's RAPL interfaces is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RaplInterface {
    /// perf where it is there, else powercap.
    #[default]
    Auto,
    /// The `power` PMU.
    Perf,
    /// `/sys/class/powercap`.
    Powercap,
    /// None.
    Off,
}

/// `[source.hwmon]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct HwmonConfig {
    /// Whether hwmon is read at all.
    pub enabled: bool,
    /// How often; chips on slow buses take milliseconds to answer, so this is not the window.
    #[serde(with = "duration")]
    pub interval: Duration,
    /// Rails with a meaning of their own. What is not listed is a zone under its chip's and channel's name.
    pub rail: Vec<HwmonRail>,
}

impl Default for HwmonConfig {
    fn default() -> Self {
        Self { enabled: true, interval: Duration::from_millis(100), rail: Vec::new() }
    }
}

/// `[[source.hwmon.rail]]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HwmonRail {
    /// The chip's name (its `name` file).
    pub chip: String,
    /// The channel: its label where it has one, else its number, for example `VDD_IN` or `1`.
    pub channel: String,
    /// The zone it measures: `node`, `package`, `core`, `uncore`, `dram`, `psys`, or a name of your own; `ignore` drops it.
    pub zone: String,
}

/// `[[source.esp32]]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Esp32Config {
    /// The meter's address and UDP port (30000 by default on the meter).
    pub address: SocketAddr,
    /// The INA3221 channel that this node hangs on, from 1.
    pub channel: u8,
    /// The supply voltage: the protocol carries charge, not energy.
    pub volts: Volts,
    /// How far the voltage may be off, as a fraction: 0.05 is 5 %.
    #[serde(default = "default_volts_tolerance")]
    pub volts_tolerance: f64,
    /// The zone it measures.
    #[serde(default = "default_meter_zone")]
    pub zone: String,
}

/// `[[source.meter]]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MeterConfig {
    /// The meter's address, for meters that are polled (asked to send).
    #[serde(default)]
    pub address: Option<SocketAddr>,
    /// Where to listen, for meters that push of themselves.
    #[serde(default)]
    pub listen: Option<SocketAddr>,
    /// The device's name as it sends it; readings of other devices are dropped.
    pub device: String,
    /// The channel that this node hangs on.
    pub channel: u32,
    /// The file that holds the pre-shared key; without one, datagrams are not authenticated.
    #[serde(default)]
    pub key_file: Option<PathBuf>,
    /// The supply voltage, used where the meter sends charge but no energy.
    #[serde(default)]
    pub volts: Option<Volts>,
    /// How far the voltage may be off, as a fraction.
    #[serde(default = "default_volts_tolerance")]
    pub volts_tolerance: f64,
    /// The zone it measures.
    #[serde(default = "default_meter_zone")]
    pub zone: String,
}

fn default_volts_tolerance() -> f64 {
    0.05
}

fn default_meter_zone() -> String {
    "node".into()
}

/// `[source.estimate]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct EstimateConfig {
    /// Whether to estimate: by default only where nothing measures.
    pub enabled: Option<bool>,
    /// Thermal design power of one package; by CPU model where not given.
    pub tdp: Option<Watts>,
    /// The share of the TDP that an idle package draws.
    pub idle_share: Option<f64>,
    /// The file of a power profile, which goes before all the rest.
    pub profile_file: Option<PathBuf>,
    /// Power by load, which goes before the TDP.
    pub table: Vec<EstimateTable>,
    /// The Boavizta server that is asked about this cloud instance; none where not given.
    pub boavizta_url: Option<String>,
    /// Certificates of the authorities that sign the server's, in PEM; the system's where not given.
    pub ca_file: Option<PathBuf>,
    /// Whose cloud this is; as the firmware says, where not given.
    pub provider: Option<String>,
    /// What type of instance this is; as the firmware says, where not given.
    pub instance_type: Option<String>,
    /// Whether the cloud's metadata address may be asked what type of instance this is.
    pub ask_metadata: bool,
    /// The cloud's metadata address.
    pub metadata_url: String,
}

impl Default for EstimateConfig {
    fn default() -> Self {
        Self {
            enabled: None,
            tdp: None,
            idle_share: None,
            profile_file: None,
            table: Vec::new(),
            boavizta_url: None,
            ca_file: None,
            provider: None,
            instance_type: None,
            ask_metadata: false,
            metadata_url: "http://169.254.169.254".into(),
        }
    }
}

/// `[[source.estimate.table]]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EstimateTable {
    /// A word of the name of the processors that it is of; of any where not given.
    #[serde(default)]
    pub cpu_model: Option<String>,
    /// The zone that it is of; `package` stands for each package.
    #[serde(default = "default_table_zone")]
    pub zone: String,
    /// Load in per cent and power in watts, as `0:33.6 50:210 100:285.6`.
    pub points: String,
    /// Of how many hardware threads it is; of all that are there where not given.
    #[serde(default)]
    pub threads: Option<usize>,
    /// How far it may be off, as a fraction.
    #[serde(default = "default_table_uncertainty")]
    pub uncertainty: f64,
}

fn default_table_zone() -> String {
    "package".into()
}

fn default_table_uncertainty() -> f64 {
    0.2
}

/// `[identity]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct IdentityConfig {
    /// A label of pods or containers whose value names the function; it goes before those of the FaaS platforms.
    pub function_label: Option<String>,
    /// What tells the names and labels of pods and containers.
    pub metadata: MetadataChoice,
    /// Where the kubelet of this node answers.
    pub kubelet_url: String,
    /// Whether the kubelet's certificate is taken unseen.
    pub kubelet_insecure: bool,
    /// Where the API server answers; as Kubernetes tells the pod, where not given.
    pub api_server_url: Option<String>,
    /// Certificates of the authorities that sign the kubelet's and the API server's, in PEM.
    pub ca_file: PathBuf,
    /// The token that the kubelet and the API server are asked with.
    pub token_file: PathBuf,
    /// How often the kubelet is asked, and how soon after a failure the API server is.
    #[serde(with = "duration")]
    pub every: Duration,
    /// Docker's socket.
    pub docker_socket: PathBuf,
    /// Podman's socket.
    pub podman_socket: PathBuf,
    /// The socket of the node's container runtime, for `cri`; the first usual one that is there, where not given.
    pub cri_socket: Option<PathBuf>,
}

impl Default for IdentityConfig {
    fn default() -> Self {
        Self {
            function_label: None,
            metadata: MetadataChoice::Auto,
            kubelet_url: "https://127.0.0.1:10250".into(),
            kubelet_insecure: false,
            api_server_url: None,
            ca_file: "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt".into(),
            token_file: "/var/run/secrets/kubernetes.io/serviceaccount/token".into(),
            every: Duration::from_secs(5),
            docker_socket: "/var/run/docker.sock".into(),
            podman_socket: "/run/podman/podman.sock".into(),
            cri_socket: None,
        }
    }
}

/// What tells the names and labels of pods and containers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MetadataChoice {
    /// In a pod the kubelet or, if it cannot be asked, the API server; else the engines whose sockets are there.
    #[default]
    Auto,
    /// The kubelet of this node.
    Kubelet,
    /// The cluster's API server.
    ApiServer,
    /// Docker's engine.
    Docker,
    /// Podman's service.
    Podman,
    /// The container runtime of a Kubernetes node.
    Cri,
    /// Nothing.
    Off,
}

impl MetadataChoice {
    /// The word in the configuration.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Kubelet => "kubelet",
            Self::ApiServer => "api-server",
            Self::Docker => "docker",
            Self::Podman => "podman",
            Self::Cri => "cri",
            Self::Off => "off",
        }
    }
}

/// `[attribution]`
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AttributionConfig {
    /// Who is charged the static part.
    pub policy: Policy,
    /// What activity of a consumer counts for.
    pub weights: Weights,
    /// The file that keeps the static power that was learned or calibrated; none where not given.
    pub profile: Option<PathBuf>,
    /// Static power by zone name, in watts; learned for zones that are not listed.
    pub static_power: StaticPower,
}

/// What a consumer's activity counts for when energy is shared out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Weights {
    /// What each function's, cgroup's or command's work takes, as learned from how measured power moves; CPU time until that is
    /// known.
    #[default]
    Learned,
    /// CPU time, alike for everybody.
    Common,
}

/// Static power by zone, for example `package-0 = 12.5` or `node = 3.1`.
pub type StaticPower = BTreeMap<String, Watts>;

/// Who is charged a zone's static energy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Policy {
    /// Nobody: it has a line of its own.
    #[default]
    Separate,
    /// Everybody who ran, in proportion to their CPU time.
    Proportional,
    /// Everybody who ran, in equal parts.
    Equal,
}

/// `[invocation]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct InvocationConfig {
    /// Whether requests on the sockets of functions are watched by kernel programs.
    pub sockets: bool,
    /// Command names of servers that start a process for every request, separated by spaces.
    pub fork_servers: String,
    /// How finely activity is remembered for invocations that are reported; at most the window.
    #[serde(with = "duration")]
    pub resolution: Duration,
    /// How late an invocation may be reported. Energy by phase lags behind by this.
    #[serde(with = "duration")]
    pub lateness: Duration,
}

impl Default for InvocationConfig {
    fn default() -> Self {
        Self {
            sockets: false,
            fork_servers: "fwatchdog".into(),
            resolution: Duration::from_millis(100),
            lateness: Duration::from_secs(5),
        }
    }
}

/// `[ledger]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LedgerConfig {
    /// How many processes have a line of their own in the exports; the others are counted together.
    pub max_processes: usize,
    /// How many cgroups have a line of their own.
    pub max_cgroups: usize,
    /// How many command names (over all cgroups) have a line of their own.
    pub max_commands: usize,
    /// How many functions have a line of their own.
    pub max_functions: usize,
    /// How many ended processes keep their line until they were exported.
    pub max_ended: usize,
    /// How long an ended line stays after it was exported once, for a second Prometheus.
    #[serde(with = "duration")]
    pub ended_retention: Duration,
}

impl Default for LedgerConfig {
    fn default() -> Self {
        Self {
            max_processes: 10_000,
            max_cgroups: 10_000,
            max_commands: 10_000,
            max_functions: 10_000,
            max_ended: 500,
            ended_retention: Duration::from_mins(1),
        }
    }
}

/// `[state]`
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StateConfig {
    /// The folder that the books are kept in; they end with the agent where not given.
    pub directory: Option<PathBuf>,
    /// The folder of a BPF file system that the kernel side's counters and programs are kept in; they end with the agent where
    /// not given.
    pub pin: Option<PathBuf>,
}

/// `[security]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SecurityConfig {
    /// What becomes of system calls that the agent does not need.
    pub seccomp: SeccompMode,
    /// Whether each thread gives up the capabilities that it does not need.
    pub drop_capabilities: bool,
}

impl Default for SecurityConfig {
    fn default() -> Self {
        Self { seccomp: SeccompMode::Enforce, drop_capabilities: true }
    }
}

/// `security.seccomp`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SeccompMode {
    /// They fail.
    #[default]
    Enforce,
    /// They are done, and the kernel logs them.
    Log,
    /// There is no filter.
    Off,
}

impl SeccompMode {
    /// The word in the configuration.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::Log => "log",
            Self::Off => "off",
        }
    }
}

/// `[prometheus]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PrometheusConfig {
    /// Whether there is an HTTP listener.
    pub enabled: bool,
    /// Where it listens.
    pub listen: SocketAddr,
    /// Whether processes are exported (their number is bounded by `ledger.max_processes`).
    pub processes: bool,
    /// Whether `power_estimation_watts` is exported, as PowerAPI has it.
    pub powerapi: bool,
}

impl Default for PrometheusConfig {
    fn default() -> Self {
        Self { enabled: true, listen: SocketAddr::from(([127, 0, 0, 1], 9190)), processes: true, powerapi: false }
    }
}

/// `[footprint]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct FootprintConfig {
    /// Grams of carbon dioxide equivalents of a kilowatt-hour.
    pub carbon: Option<f64>,
    /// A file that has them by time.
    pub carbon_file: Option<PathBuf>,
    /// The price of a kilowatt-hour.
    pub price: Option<f64>,
    /// A file that has it by time.
    pub price_file: Option<PathBuf>,
    /// The currency of the price.
    pub currency: Option<String>,
    /// How long a value in a file holds where none follows.
    #[serde(with = "duration")]
    pub hold: Duration,
}

impl Default for FootprintConfig {
    fn default() -> Self {
        Self {
            carbon: None,
            carbon_file: None,
            price: None,
            price_file: None,
            currency: None,
            hold: Duration::from_hours(1),
        }
    }
}

/// `[page]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PageConfig {
    /// Whether the HTTP listener serves a page to look at.
    pub enabled: bool,
}

impl Default for PageConfig {
    fn default() -> Self {
        Self { enabled: true }
    }
}

/// `[grpc]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct GrpcConfig {
    /// Whether there is a gRPC listener.
    pub enabled: bool,
    /// Where it listens.
    pub listen: SocketAddr,
    /// How many messages a slow subscriber may lag behind before it is told that it missed some.
    pub backlog: usize,
}

impl Default for GrpcConfig {
    fn default() -> Self {
        Self { enabled: true, listen: SocketAddr::from(([127, 0, 0, 1], 9191)), backlog: 16 }
    }
}

/// `[access]`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AccessConfig {
    /// The listeners' certificate and those that sign it, in PEM; without one they speak no TLS.
    pub certificate_file: Option<PathBuf>,
    /// The certificate's private key, in PEM.
    pub key_file: Option<PathBuf>,
    /// Certificates of the authorities that sign clients' certificates, in PEM; clients have to show one then.
    pub client_ca_file: Option<PathBuf>,
    /// Tokens, of which requests have to bear one then.
    pub token_file: Option<PathBuf>,
}

impl AccessConfig {
    /// Whether clients have to say who they are.
    pub fn authenticates(&self) -> bool {
        self.client_ca_file.is_some() || self.token_file.is_some()
    }

    /// Its files, by the names of their keys.
    pub fn files(&self) -> impl Iterator<Item = (&'static str, &Path)> {
        [
            ("access.certificate_file", &self.certificate_file),
            ("access.key_file", &self.key_file),
            ("access.client_ca_file", &self.client_ca_file),
            ("access.token_file", &self.token_file),
        ]
        .into_iter()
        .filter_map(|(key, file)| Some((key, file.as_deref()?)))
    }
}

/// `[otlp]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct OtlpConfig {
    /// The collector that received spans are sent on to, with their energy; none where not given.
    pub endpoint: Option<String>,
    /// Headers to send with them, one a line.
    pub headers_file: Option<PathBuf>,
    /// Certificates of the authorities that sign the collector's; the system's where not given.
    pub ca_file: Option<PathBuf>,
    /// How long the collector may take to answer.
    #[serde(with = "duration")]
    pub timeout: Duration,
    /// How much may wait to be sent.
    pub queue_mebibytes: usize,
    /// Whether invocations that the kernel has seen become spans too.
    pub spans_for_seen: bool,
}

impl Default for OtlpConfig {
    fn default() -> Self {
        Self {
            endpoint: None,
            headers_file: None,
            ca_file: None,
            timeout: Duration::from_secs(10),
            queue_mebibytes: 32,
            spans_for_seen: false,
        }
    }
}

/// `[influxdb]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct InfluxdbConfig {
    /// The database that the power of every target is written to; none where not given.
    pub url: Option<String>,
    /// Which of its write APIs it has.
    pub version: InfluxdbVersion,
    /// The database, in version 1.
    pub database: Option<String>,
    /// Who writes, in version 1; nobody in particular where not given.
    pub user: Option<String>,
    /// The file with that user's password.
    pub password_file: Option<PathBuf>,
    /// The organisation, in version 2.
    pub org: Option<String>,
    /// The bucket, in version 2.
    pub bucket: Option<String>,
    /// The file with the token, in version 2.
    pub token_file: Option<PathBuf>,
    /// Certificates of the authorities that sign the database's; the system's where not given.
    pub ca_file: Option<PathBuf>,
    /// How often power is written; each value is the mean over so long.
    #[serde(with = "duration")]
    pub interval: Duration,
    /// How long the database may take to answer.
    #[serde(with = "duration")]
    pub timeout: Duration,
    /// How much may wait for the database, compressed.
    pub buffer_kibibytes: usize,
    /// What measurement and field are called.
    pub schema: PowerapiSchema,
    /// The name of this node there; `node_name` where not given.
    pub sensor: Option<String>,
    /// Whether functions are targets too, beside their containers.
    pub functions: bool,
}

impl Default for InfluxdbConfig {
    fn default() -> Self {
        Self {
            url: None,
            version: InfluxdbVersion::One,
            database: None,
            user: None,
            password_file: None,
            org: None,
            bucket: None,
            token_file: None,
            ca_file: None,
            interval: Duration::from_secs(1),
            timeout: Duration::from_secs(10),
            buffer_kibibytes: 32_768,
            schema: PowerapiSchema::PowerConsumption,
            sensor: None,
            functions: false,
        }
    }
}

/// `influxdb.version`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub enum InfluxdbVersion {
    /// `/write`, with a database.
    One,
    /// `/api/v2/write`, with an organisation and a bucket.
    Two,
}

impl TryFrom<u8> for InfluxdbVersion {
    type Error = &'static str;

    fn try_from(number: u8) -> Result<Self, Self::Error> {
        match number {
            1 => Ok(Self::One),
            2 => Ok(Self::Two),
            _ => Err("write 1 or 2"),
        }
    }
}

impl From<InfluxdbVersion> for u8 {
    fn from(version: InfluxdbVersion) -> Self {
        match version {
            InfluxdbVersion::One => 1,
            InfluxdbVersion::Two => 2,
        }
    }
}

/// `influxdb.schema`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PowerapiSchema {
    /// Measurement `power_consumption`, field `power`.
    PowerConsumption,
    /// Measurement `powerrep`, field `power_estimation`.
    Powerrep,
    /// Both of them.
    Both,
}
