//! The list of all keys: what they take, their defaults and what they mean. Everything that has to know the keys from
//! outside (checks, environment, documentation) takes them from here; a test holds the list against the schema.

use std::time::Duration;

use super::kind::Kind;

/// What holds where a key is not given. The texts are TOML.
#[derive(Clone, Copy, Debug)]
pub(super) enum Absent {
    /// This value.
    Default(&'static str),
    /// Nothing; the value is an example.
    Unset(&'static str),
    /// An error; the value is an example.
    Required(&'static str),
}

impl Absent {
    /// The default or the example.
    pub(super) const fn value(self) -> &'static str {
        match self {
            Self::Default(value) | Self::Unset(value) | Self::Required(value) => value,
        }
    }
}

/// One key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Key {
    /// Its path: `[]` stands for any element of a list, `<zone>` for any name.
    pub(super) path: &'static str,
    /// What it takes.
    pub(super) kind: Kind,
    /// What holds without it.
    pub(super) absent: Absent,
    /// What it means.
    pub(super) meaning: &'static str,
}

impl Key {
    const fn new(path: &'static str, kind: Kind, absent: Absent, meaning: &'static str) -> Self {
        Self { path, kind, absent, meaning }
    }

    /// The section it stands in, for example `source.esp32[]`, and its name there.
    pub(super) fn section_and_name(&self) -> (&'static str, &'static str) {
        self.path.rsplit_once('.').unwrap_or(("", self.path))
    }

    /// The variable of the environment that sets it; `None` for keys in lists and under free names.
    pub(super) fn variable(&self) -> Option<String> {
        let scalar = !self.path.contains(['[', '<']);
        scalar.then(|| format!("{}{}", super::environment::PREFIX, self.path.replace('.', "_").to_uppercase()))
    }
}

/// What a section is for, in the order of the documentation.
pub(super) const SECTIONS: &[(&str, &str)] = &[
    ("", "The node itself."),
    ("host", "Where the machine's files are."),
    ("activity", "What the kernel side counts, and how often it is read."),
    ("source.rapl", "The processor's own energy counters."),
    ("source.hwmon", "Power meters with a kernel driver under `/sys/class/hwmon`."),
    ("source.hwmon.rail[]", "One rail with a meaning of its own; repeat the section for further ones."),
    ("source.esp32[]", "One channel of an ESP32 meter that speaks protocol v1; repeat the section for further ones."),
    ("source.meter[]", "One channel of a meter that speaks Prony's protocol v2; repeat the section for further ones."),
    ("source.estimate", "The model for machines without a meter; `docs/estimate.md` says how it works."),
    (
        "source.estimate.table[]",
        "Power by load of a processor or of this machine, where no profile is named; repeat the section for further ones.",
    ),
    ("identity", "Who containers and functions are."),
    ("attribution", "How energy is shared out."),
    (
        "attribution.static_power",
        "Power that is drawn whoever runs, by zone. Remembered (`attribution.profile`) or learned for zones that are not listed.",
    ),
    ("invocation", "How invocations of functions are found."),
    ("ledger", "How much is remembered."),
    ("state", "What outlives the agent."),
    ("security", "What the agent gives up once it has started."),
    ("prometheus", "The HTTP listener for Prometheus."),
    ("page", "The page to look at, on the HTTP listener."),
    ("footprint", "What a kilowatt-hour stands for, for counters of carbon and cost; nobody is asked for it."),
    ("grpc", "The gRPC listener, for Prony's own services and for OTLP traces."),
    (
        "access",
        "Who may come in at both listeners. The files are looked at every few seconds and at SIGHUP; new connections go by \
         what they hold then. With `client_ca_file` and `token_file` clients need both.",
    ),
    ("otlp", "The OpenTelemetry collector that spans are sent on to, with their energy."),
    ("influxdb", "The InfluxDB that the power of every target is written to, in PowerAPI's schema."),
];

const MILLISECOND: Duration = Duration::from_millis(1);
const TEN_SECONDS: Duration = Duration::from_secs(10);
const MINUTE: Duration = Duration::from_mins(1);
const DAY: Duration = Duration::from_hours(24);
const LINES: Kind = Kind::Whole(0, 1_000_000);
/// The INA3221 measures up to 26 V (TI SBOS576C); other chips and supplies go up to 60 V.
const VOLTS: Kind = Kind::Positive(60.0);
const TOLERANCE: Kind = Kind::Number(0.0, 0.5);
/// No machine draws more than 100 kW.
const WATTS: Kind = Kind::Number(0.0, 100_000.0);
const METADATA: &[&str] = &["auto", "kubelet", "api-server", "docker", "podman", "cri", "off"];
/// As Boavizta's servers call them.
const PROVIDERS: &[&str] = &["aws", "azure", "gcp", "scaleway"];
const LEVELS: &[&str] = &["off", "error", "warn", "info", "debug", "trace"];

use Absent::{Default, Required, Unset};

/// All keys, in the order of the documentation.
#[rustfmt::skip]
pub(super) const KEYS: &[Key] = &[
    Key::new("node_name", Kind::Text, Unset("\"node-7\""),
        "The name of this node in every output; where not given, that in the variable NODE_NAME, else the host name."),

    Key::new("host.sysfs", Kind::Path, Default("\"/sys\""), "Where sysfs is mounted."),
    Key::new("host.procfs", Kind::Path, Default("\"/proc\""), "Where procfs is mounted."),
    Key::new("host.cgroupfs", Kind::Path, Unset("\"/sys/fs/cgroup\""),
        "Where the cgroup v2 hierarchy is mounted; found in `/proc/self/mountinfo` where not given."),

    Key::new("activity.window", Kind::Duration(MILLISECOND, TEN_SECONDS), Default("\"100ms\""),
        "The length of a window: how often CPU time is read and energy shared out."),
    Key::new("activity.max_consumers", Kind::Whole(256, 1_048_576), Default("16384"),
        "How many consumers (processes in cgroups) the kernel side can tell apart at once. What is beyond them is \
         counted together in one overflow line."),
    Key::new("activity.kernel_log", Kind::Choice(LEVELS), Default("\"off\""), "Diagnostics of the kernel programs."),
    Key::new("activity.btf", Kind::Path, Unset("\"/var/lib/prony/vmlinux.btf\""),
        "The BTF file to take the kernel's layout from, on kernels without `/sys/kernel/btf/vmlinux`."),
    Key::new("activity.counters", Kind::Choice(&["auto", "off"]), Default("\"auto\""),
        "Whether cycles and instructions are counted for every consumer at every context switch: `auto` does so where the \
         processor has counters that may be opened, and `attribution.weights` learns from them."),

    Key::new("source.rapl.interface", Kind::Choice(&["auto", "perf", "powercap", "off"]), Default("\"auto\""),
        "Which of the kernel's interfaces is used: `auto` takes perf where it is there, else powercap."),

    Key::new("source.hwmon.enabled", Kind::Flag, Default("true"), "Whether hwmon is read at all."),
    Key::new("source.hwmon.interval", Kind::Duration(MILLISECOND, MINUTE), Default("\"100ms\""),
        "How often it is read. Chips on slow buses take milliseconds to answer, so this is not the window."),
    Key::new("source.hwmon.rail[].chip", Kind::Text, Required("\"ina3221\""), "The chip's name (its `name` file)."),
    Key::new("source.hwmon.rail[].channel", Kind::Text, Required("\"VDD_IN\""),
        "The channel: its label where it has one, else its number."),
    Key::new("source.hwmon.rail[].zone", Kind::Zone, Required("\"node\""),
        "The zone it measures: `node`, `package`, `core`, `uncore`, `dram`, `psys`, or a name of your own; `ignore` \
         drops it."),

    Key::new("source.esp32[].address", Kind::Address, Required("\"192.0.2.10:30000\""),
        "The meter's address and UDP port (30000 by default on the meter)."),
    Key::new("source.esp32[].channel", Kind::Whole(1, 255), Required("2"),
        "The INA3221 channel that this node hangs on, from 1."),
    Key::new("source.esp32[].volts", VOLTS, Required("5.0"),
        "The supply voltage: the protocol carries charge, not energy."),
    Key::new("source.esp32[].volts_tolerance", TOLERANCE, Default("0.05"),
        "How far the voltage may be off, as a fraction: 0.05 is 5 %."),
    Key::new("source.esp32[].zone", Kind::Zone, Default("\"node\""), "The zone it measures."),

    Key::new("source.meter[].address", Kind::Address, Unset("\"192.0.2.11:30001\""),
        "The meter's address, for a meter that is polled. Exactly one of `address` and `listen` has to be given."),
    Key::new("source.meter[].listen", Kind::Address, Unset("\"192.0.2.1:30001\""),
        "Where to listen, for a meter that pushes of itself."),
    Key::new("source.meter[].device", Kind::Text, Required("\"rack-3\""),
        "The device's name as it sends it; readings of other devices are dropped."),
    Key::new("source.meter[].channel", Kind::Whole(1, 65_535), Required("1"), "The channel that this node hangs on."),
    Key::new("source.meter[].key_file", Kind::Path, Unset("\"/etc/prony/meter.key\""),
        "The file that holds the pre-shared key; without one, datagrams are not authenticated."),
    Key::new("source.meter[].volts", VOLTS, Unset("12.0"),
        "The supply voltage, used where the meter sends charge but no energy."),
    Key::new("source.meter[].volts_tolerance", TOLERANCE, Default("0.05"),
        "How far the voltage may be off, as a fraction."),
    Key::new("source.meter[].zone", Kind::Zone, Default("\"node\""), "The zone it measures."),

    Key::new("source.estimate.enabled", Kind::Flag, Unset("true"),
        "Whether to estimate; where not given, only if nothing measures."),
    Key::new("source.estimate.tdp", Kind::Positive(2_000.0), Unset("65.0"),
        "Thermal design power of one package, in watts; by CPU model where not given."),
    Key::new("source.estimate.idle_share", Kind::Number(0.0, 1.0), Unset("0.15"),
        "The share of the TDP that an idle package draws; by CPU model where not given."),
    Key::new("source.estimate.profile_file", Kind::Path, Unset("\"/etc/prony/power-profile.json\""),
        "A power profile of this machine: from `prony import-profile`, or from `prony calibrate --export-profile FILE` on one of its \
         kind that has a meter. It goes before tables and the TDP."),
    Key::new("source.estimate.boavizta_url", Kind::Text, Unset("\"https://boavizta.example.com\""),
        "A Boavizta server that is asked what this cloud instance draws, once in 30 days; its answer is kept in \
         `state.directory`. Nobody is asked where it is not given, or where `profile_file` is."),
    Key::new("source.estimate.ca_file", Kind::Path, Unset("\"/etc/prony/boavizta-ca.pem\""),
        "Certificates of the authorities that sign the server's, in PEM; the system's where not given."),
    Key::new("source.estimate.provider", Kind::Choice(PROVIDERS), Unset("\"aws\""),
        "Whose cloud this is; as the machine's firmware (DMI) says, where not given."),
    Key::new("source.estimate.instance_type", Kind::Text, Unset("\"m7a.4xlarge\""),
        "What type of instance this is; as the machine's firmware says (on EC2), where not given."),
    Key::new("source.estimate.ask_metadata", Kind::Flag, Default("false"),
        "Whether the cloud's metadata address may be asked what type of instance this is, where neither is known."),
    Key::new("source.estimate.metadata_url", Kind::Text, Default("\"http://169.254.169.254\""),
        "The cloud's metadata address."),
    Key::new("source.estimate.table[].cpu_model", Kind::Text, Unset("\"EPYC 9R14\""),
        "A word of the name of the processors that it is of (`model name` in `/proc/cpuinfo`); of any where not given. Of \
         several that fit the longest counts."),
    Key::new("source.estimate.table[].zone", Kind::Zone, Default("\"package\""),
        "The zone that it is of; `package` stands for each package."),
    Key::new("source.estimate.table[].points", Kind::LoadPoints, Required("\"0:33.6 10:89.6 50:210 100:285.6\""),
        "Load in per cent and power in watts: from 0 to 100 %, in order, with power that does not fall. Between two points it \
         follows a straight line."),
    Key::new("source.estimate.table[].threads", Kind::Whole(1, 65_536), Unset("96"),
        "Of how many hardware threads the power is: a virtual machine that has less has that part of it. All that are there, \
         where not given."),
    Key::new("source.estimate.table[].uncertainty", Kind::Number(0.0, 1.0), Default("0.2"),
        "How far the power may be off (one sigma), as a fraction: 0.2 is 20 %."),

    Key::new("identity.function_label", Kind::Text, Unset("\"example.com/function\""),
        "A label of pods or containers whose value names the function; it goes before those of the FaaS platforms."),
    Key::new("identity.metadata", Kind::Choice(METADATA), Default("\"auto\""),
        "What tells the names and labels of pods and containers: `auto` takes, in a pod, the kubelet or, if it cannot be \
         asked, the API server; else the engines whose sockets are there. `cri` is never taken by itself."),
    Key::new("identity.kubelet_url", Kind::Text, Default("\"https://127.0.0.1:10250\""),
        "Where the kubelet of this node answers."),
    Key::new("identity.kubelet_insecure", Kind::Flag, Default("false"),
        "Whether the kubelet's certificate is taken unseen: for kubelets that sign their own."),
    Key::new("identity.api_server_url", Kind::Text, Unset("\"https://192.0.2.1:6443\""),
        "Where the API server answers; as Kubernetes tells the pod, where not given."),
    Key::new("identity.ca_file", Kind::Path, Default("\"/var/run/secrets/kubernetes.io/serviceaccount/ca.crt\""),
        "Certificates of the authorities that sign the kubelet's and the API server's, in PEM."),
    Key::new("identity.token_file", Kind::Path, Default("\"/var/run/secrets/kubernetes.io/serviceaccount/token\""),
        "The token that the kubelet and the API server are asked with. It is read anew when it is renewed."),
    Key::new("identity.every", Kind::Duration(Duration::from_millis(100), MINUTE), Default("\"5s\""),
        "How often the kubelet is asked, and how soon after a failure the API server is."),
    Key::new("identity.docker_socket", Kind::Path, Default("\"/var/run/docker.sock\""), "Docker's socket."),
    Key::new("identity.podman_socket", Kind::Path, Default("\"/run/podman/podman.sock\""), "Podman's socket."),
    Key::new("identity.cri_socket", Kind::Path, Unset("\"/run/containerd/containerd.sock\""),
        "The socket of the node's container runtime, for `cri`: containerd's, CRI-O's, k3s' or cri-dockerd's, the first \
         that is there, where not given. Whoever may open it may do anything on the node."),

    Key::new("attribution.policy", Kind::Choice(&["separate", "proportional", "equal"]), Default("\"separate\""),
        "Who is charged static energy: `separate` nobody, it has a line of its own; `proportional` everybody who ran, \
         by CPU time; `equal` everybody who ran, in equal parts."),
    Key::new("attribution.weights", Kind::Choice(&["learned", "common"]), Default("\"learned\""),
        "What activity counts for: `learned` what each function's, cgroup's or command's work is seen to draw of what meters \
         measure, and CPU time until that is known; `common` CPU time, alike for everybody."),
    Key::new("attribution.profile", Kind::Path, Unset("\"/var/lib/prony/profile.json\""),
        "The file that keeps static power, as it was learned or measured by `prony calibrate`, from one start of the agent to \
         the next. Its folder has to be there, and writable. Nothing is kept where it is not given."),
    Key::new("attribution.static_power.<zone>", WATTS, Unset("12.5"),
        "Static power of the zone of that name, in watts, for example `package-0` or `node`."),

    Key::new("invocation.sockets", Kind::Flag, Default("false"),
        "Whether HTTP/1.x requests on the sockets of functions' containers are watched by kernel programs (kernel 5.10 \
         with BTF, cgroup v2), which finds invocations without any help from the platform. It costs some time at every \
         context switch of the machine and at every packet of those containers."),
    Key::new("invocation.fork_servers", Kind::Text, Default("\"fwatchdog\""),
        "Command names of servers that start a process for every request, separated by spaces: each child of one, in a \
         function's container, is an invocation."),
    Key::new("invocation.resolution", Kind::Duration(MILLISECOND, Duration::from_secs(1)), Default("\"100ms\""),
        "How finely activity is remembered for invocations that are reported. Set it to `10ms` or less for short ones: it \
         costs what a window of this length costs. At most the window counts."),
    Key::new("invocation.lateness", Kind::Duration(Duration::from_secs(2), MINUTE), Default("\"5s\""),
        "How late an invocation may be reported. Invocations and energy by phase lag behind by this."),

    Key::new("ledger.max_processes", LINES, Default("10000"),
        "How many processes have a line of their own in the exports; the others are counted together."),
    Key::new("ledger.max_cgroups", LINES, Default("10000"), "How many cgroups have a line of their own."),
    Key::new("ledger.max_commands", LINES, Default("10000"),
        "How many command names (over all cgroups) have a line of their own."),
    Key::new("ledger.max_functions", LINES, Default("10000"), "How many functions have a line of their own."),
    Key::new("ledger.max_ended", LINES, Default("500"),
        "How many ended processes keep their line until they were exported."),
    Key::new("ledger.ended_retention", Kind::Duration(Duration::ZERO, DAY), Default("\"1m\""),
        "How long an ended line stays after it was exported once, for a second Prometheus."),

    Key::new("state.directory", Kind::Path, Unset("\"/var/lib/prony\""),
        "The folder in which the books are kept, so that the next agent goes on with them after a stop, an upgrade or a crash. It \
         is made if it is not there. Where it is not given, totals begin at zero with every agent. Some hundred bytes to some \
         kilobytes are written at the end of every window: on an SD card, a folder in memory (`/run/prony`) spares it, and \
         totals begin anew when the machine does."),
    Key::new("state.pin", Kind::Path, Unset("\"/sys/fs/bpf/prony\""),
        "A folder of a BPF file system in which the kernel programs and their counters are kept, so that they go on counting \
         while no agent runs, and nobody's CPU time is lost. Only with `state.directory`."),

    Key::new("security.seccomp", Kind::Choice(&["enforce", "log", "off"]), Default("\"enforce\""),
        "What becomes of system calls that the agent does not need: with `enforce` they fail with EPERM, and the threads that \
         write are kept to their folders by Landlock; with `log` they are done, and the kernel logs them; with `off` there is \
         neither filter nor Landlock."),
    Key::new("security.drop_capabilities", Kind::Flag, Default("true"),
        "Whether each thread gives up the capabilities that it does not need once what needs them is open."),

    Key::new("prometheus.enabled", Kind::Flag, Default("true"), "Whether there is an HTTP listener."),
    Key::new("prometheus.listen", Kind::Address, Default("\"127.0.0.1:9190\""), "Where it listens."),
    Key::new("prometheus.processes", Kind::Flag, Default("true"),
        "Whether processes are exported (their number is bounded by `ledger.max_processes`)."),
    Key::new("prometheus.powerapi", Kind::Flag, Default("false"),
        "Whether `power_estimation_watts` is exported too, as PowerAPI has it."),

    Key::new("footprint.carbon", Kind::Number(0.0, 10_000.0), Unset("350.0"),
        "Grams of carbon dioxide equivalents of a kilowatt-hour. Zones and functions have counters of grams with it."),
    Key::new("footprint.carbon_file", Kind::Path, Unset("\"/var/lib/carbon/intensity.csv\""),
        "The same by time: lines `time,grams`, the time in seconds since 1970 or as `2026-01-01T00:00:00Z`. It is read again when it \
         has changed. `carbon` is used where it has no value."),
    Key::new("footprint.price", Kind::Number(0.0, 1_000.0), Unset("0.3"),
        "The price of a kilowatt-hour. Zones and functions have counters of it with it."),
    Key::new("footprint.price_file", Kind::Path, Unset("\"/var/lib/carbon/price.csv\""), "The same by time, like `carbon_file`."),
    Key::new("footprint.currency", Kind::Text, Unset("\"EUR\""), "The currency of the price: a label, and nothing else."),
    Key::new("footprint.hold", Kind::Duration(Duration::from_secs(1), Duration::from_hours(24 * 366)), Default("\"1h\""),
        "How long a value in a file holds where none follows, in a gap or at the end. Energy after that is not counted, but where there is a value of `carbon` or `price`."),

    Key::new("page.enabled", Kind::Flag, Default("true"),
        "Whether the HTTP listener serves it, at `/`. It keeps the last hour by seconds and the last day by minutes: a few MiB of \
         memory, and of files where there is a `state.directory`."),

    Key::new("grpc.enabled", Kind::Flag, Default("true"), "Whether there is a gRPC listener."),
    Key::new("grpc.listen", Kind::Address, Default("\"127.0.0.1:9191\""), "Where it listens."),
    Key::new("grpc.backlog", Kind::Whole(1, 65_536), Default("16"),
        "How many messages a slow subscriber may lag behind before it is told that it missed some."),

    Key::new("access.certificate_file", Kind::Path, Unset("\"/etc/prony/access/tls.crt\""),
        "The listeners' certificate, followed by those between it and its authority, in PEM. With it both listeners speak TLS \
         (1.2 and 1.3), and nothing else."),
    Key::new("access.key_file", Kind::Path, Unset("\"/etc/prony/access/tls.key\""),
        "The certificate's private key, in PEM."),
    Key::new("access.client_ca_file", Kind::Path, Unset("\"/etc/prony/access/ca.crt\""),
        "Certificates of authorities, in PEM. With it every client has to show a certificate that one of them has signed."),
    Key::new("access.token_file", Kind::Path, Unset("\"/etc/prony/access/tokens\""),
        "Tokens of at least 16 characters, one a line; lines that begin with `#` are left out. With it every request but those \
         for health has to bear one of them (`Authorization: Bearer TOKEN`). Beyond loopback only with `certificate_file`."),

    Key::new("otlp.endpoint", Kind::Text, Unset("\"https://collector.example.com:4317\""),
        "The collector (OTLP/gRPC) that all spans which come to the gRPC listener are sent on to, those of invocations with \
         their energy. `https://` is TLS. Nothing is sent where it is not given."),
    Key::new("otlp.headers_file", Kind::Path, Unset("\"/etc/prony/otlp-headers\""),
        "A file with headers for the collector, `name: value` a line; for tokens. Read when the agent starts."),
    Key::new("otlp.ca_file", Kind::Path, Unset("\"/etc/prony/collector-ca.pem\""),
        "Certificates of the authorities that sign the collector's, in PEM; the system's where not given."),
    Key::new("otlp.timeout", Kind::Duration(Duration::from_millis(100), MINUTE), Default("\"10s\""),
        "How long the collector may take to answer."),
    Key::new("otlp.queue_mebibytes", Kind::Whole(1, 1_024), Default("32"),
        "How much may wait for its energy or for the collector; then the oldest spans are dropped."),
    Key::new("otlp.spans_for_seen", Kind::Flag, Default("false"),
        "Whether invocations that the kernel has seen (`process`, `socket`) become spans of their own."),

    Key::new("influxdb.url", Kind::Text, Unset("\"https://influxdb.example.com:8086\""),
        "The database's address. `https://` is TLS. Nothing is written where it is not given."),
    Key::new("influxdb.version", Kind::Whole(1, 2), Default("1"),
        "Its write API: 1 (`/write`, with a database) or 2 (`/api/v2/write`, with an organisation and a bucket)."),
    Key::new("influxdb.database", Kind::Text, Unset("\"power\""),
        "The database to write to, for version 1. It has to be there."),
    Key::new("influxdb.user", Kind::Text, Unset("\"prony\""),
        "The user that writes, for version 1; nobody in particular where not given."),
    Key::new("influxdb.password_file", Kind::Path, Unset("\"/etc/prony/influxdb-password\""),
        "The file that holds that user's password, in one line. It is read at the start, and anew when the database refuses \
         it."),
    Key::new("influxdb.org", Kind::Text, Unset("\"energy\""), "The organisation, for version 2."),
    Key::new("influxdb.bucket", Kind::Text, Unset("\"power\""), "The bucket to write to, for version 2. It has to be there."),
    Key::new("influxdb.token_file", Kind::Path, Unset("\"/etc/prony/influxdb-token\""),
        "The file that holds the token, for version 2, in one line; read as `influxdb.password_file`."),
    Key::new("influxdb.ca_file", Kind::Path, Unset("\"/etc/prony/influxdb-ca.pem\""),
        "Certificates of the authorities that sign the database's, in PEM; the system's where not given."),
    Key::new("influxdb.interval", Kind::Duration(MILLISECOND, Duration::from_hours(1)), Default("\"1s\""),
        "How often power is written; each value is the mean over so long. At least `activity.window`."),
    Key::new("influxdb.timeout", Kind::Duration(Duration::from_millis(100), MINUTE), Default("\"10s\""),
        "How long the database may take to answer."),
    Key::new("influxdb.buffer_kibibytes", Kind::Whole(64, 4_194_304), Default("32768"),
        "How much may wait for the database, compressed; then the oldest points are dropped."),
    Key::new("influxdb.schema", Kind::Choice(&["power_consumption", "powerrep", "both"]), Default("\"power_consumption\""),
        "What measurement and field are called: `power_consumption` and `power`, as in PowerAPI's older releases, `powerrep` \
         and `power_estimation`, as in its newer ones, or both of them."),
    Key::new("influxdb.sensor", Kind::Text, Unset("\"node-7\""), "The tag `sensor`; `node_name` where not given."),
    Key::new("influxdb.functions", Kind::Flag, Default("false"),
        "Whether functions are targets too. Their power is that of their containers, which are targets of their own."),
];

/// The key at a path, written as in [`KEYS`].
pub(super) fn key(path: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.path == path)
}
