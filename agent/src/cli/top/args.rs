//! The command line of `prony top`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use prony_proto::energy::v1 as pb;

const EXAMPLES: &str = "\
Examples:
  prony top                                        what uses energy on this machine, by process
  prony top --by cgroup --sort joules              by cgroup, most energy in all first
  prony top --endpoint http://10.0.0.7:9191        of another machine
  prony top --endpoint https://node-7:9191 --ca ca.crt --token-file token   with TLS and a token
  prony top --by function                          by serverless function, or what owns the pods
  prony top --by command --cgroup /system.slice    the commands of all services
  prony top --once --lines 10                      the ten that draw most power now, as text
  prony top --once --output json | jq '.lines[0]'  for a script
  prony top --once --interval 10s --output csv     means over ten seconds

Keys:
  p m c o f  by process, command, cgroup, container, function     Tab  the next of these
  w j u n  sort by watts, joules, CPU, name           r       the other way round
  z        the next zone                              /       type a filter (Esc takes it away)
  Space    pause                                      arrows, PgUp, PgDn, Home, End  scroll
  ?        help                                       q       quit";

/// Show what uses energy, live
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct TopArgs {
    /// Where the agent serves gRPC
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:9191", env = "PRONY_ENDPOINT")]
    pub endpoint: String,
    /// What the agent asks for, where its configuration has [access]
    #[command(flatten)]
    pub credentials: Credentials,
    /// What a line is
    #[arg(long, value_name = "WHAT", value_enum, default_value_t = Granularity::Process)]
    pub by: Granularity,
    /// What the lines are sorted by
    #[arg(long, value_name = "COLUMN", value_enum, default_value_t = Sort::Watts)]
    pub sort: Sort,
    /// The zone whose energy is shown, for example `package` [default: node, else psys, else package]
    #[arg(long)]
    pub zone: Option<String>,
    /// The time between two pictures, and the time that powers are the mean over
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = interval)]
    pub interval: Duration,
    /// Only this cgroup and those below it, or those that fit a pattern with asterisks
    #[arg(long, value_name = "PATH")]
    pub cgroup: Option<String>,
    /// Only commands of this name (asterisks allowed); by process or command
    #[arg(long, value_name = "NAME")]
    pub command: Option<String>,
    /// Only this process; by process
    #[arg(long)]
    pub pid: Option<u32>,
    /// Only the container whose id begins like this
    #[arg(long, value_name = "ID")]
    pub container: Option<String>,
    /// Only functions of this name (asterisks allowed); by function
    #[arg(long, value_name = "NAME")]
    pub function: Option<String>,
    /// Only functions in this namespace (asterisks allowed); by function
    #[arg(long, value_name = "NAME")]
    pub namespace: Option<String>,
    /// Print one picture and end
    #[arg(long)]
    pub once: bool,
    /// How that picture is printed
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = Output::Table, requires = "once")]
    pub output: Output,
    /// How many lines are printed at most; the others are counted together
    #[arg(long, value_name = "NUMBER", requires = "once")]
    pub lines: Option<usize>,
}

/// How the agent is told from others, and this user by it.
#[derive(Args, Clone, Debug, Default)]
pub struct Credentials {
    /// Certificates of the authorities that sign the agent's, in PEM [default: the system's]
    #[arg(long, value_name = "FILE", env = "PRONY_CA")]
    pub ca: Option<PathBuf>,
    /// A certificate to show the agent, in PEM
    #[arg(long, value_name = "FILE", env = "PRONY_CERTIFICATE", requires = "key")]
    pub certificate: Option<PathBuf>,
    /// Its private key, in PEM
    #[arg(long, value_name = "FILE", env = "PRONY_KEY", requires = "certificate")]
    pub key: Option<PathBuf>,
    /// A file with a token for the agent; its first line counts, but for comments (#)
    #[arg(long, value_name = "FILE", env = "PRONY_TOKEN_FILE")]
    pub token_file: Option<PathBuf>,
}

impl TopArgs {
    /// The request for lines of this kind.
    pub(super) fn request(&self, by: Granularity) -> pb::WatchRequest {
        let filter = pb::Filter {
            cgroup: self.cgroup.clone().unwrap_or_default(),
            command: self.command.clone().unwrap_or_default(),
            pid: self.pid,
            container: self.container.clone().unwrap_or_default(),
            function: self.function.clone().unwrap_or_default(),
            namespace: self.namespace.clone().unwrap_or_default(),
        };
        let resolution = prost_types::Duration::try_from(self.interval).ok();
        pb::WatchRequest { granularity: by.on_the_wire() as i32, filter: Some(filter), resolution }
    }
}

/// What a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Granularity {
    /// A process.
    Process,
    /// All processes of one command name in one cgroup.
    Command,
    /// A cgroup, without its children.
    Cgroup,
    /// A container.
    Container,
    /// A function: all its containers, past and present.
    Function,
}

impl Granularity {
    /// The one after this, and after the last the first.
    pub(super) fn next(self) -> Self {
        match self {
            Self::Process => Self::Command,
            Self::Command => Self::Cgroup,
            Self::Cgroup => Self::Container,
            Self::Container => Self::Function,
            Self::Function => Self::Process,
        }
    }

    /// Its name.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Process => "process",
            Self::Command => "command",
            Self::Cgroup => "cgroup",
            Self::Container => "container",
            Self::Function => "function",
        }
    }

    fn on_the_wire(self) -> pb::Granularity {
        match self {
            Self::Process => pb::Granularity::Process,
            Self::Command => pb::Granularity::Command,
            Self::Cgroup => pb::Granularity::Cgroup,
            Self::Container => pb::Granularity::Container,
            Self::Function => pb::Granularity::Function,
        }
    }
}

/// What lines are sorted by: the largest first, names in alphabetical order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Sort {
    /// Mean power over the interval.
    Watts,
    /// Energy since the agent began.
    Joules,
    /// CPU time in the interval.
    Cpu,
    /// Name.
    Name,
}

impl Sort {
    /// Its name.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Watts => "watts",
            Self::Joules => "joules",
            Self::Cpu => "CPU",
            Self::Name => "name",
        }
    }
}

/// How one picture is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// Columns, for people.
    Table,
    /// One JSON object.
    Json,
    /// Comma-separated values with a header.
    Csv,
}

fn interval(text: &str) -> Result<Duration, String> {
    let span = humantime::parse_duration(text).map_err(|error| format!("{error}: write for example 500ms or 2s"))?;
    let allowed = Duration::from_millis(1)..=Duration::from_hours(1);
    if allowed.contains(&span) { Ok(span) } else { Err("has to be between 1ms and 1h".into()) }
}
