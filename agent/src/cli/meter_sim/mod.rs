//! `prony meter-sim`: a power meter for people without one.

mod board;
mod network;
mod power;
mod server;
mod simulator;
mod v1;
mod v2;

pub use board::{BOOT_TIME, Board, BoardSettings, Input};
pub use network::{Datagram, Impairments};
pub use power::{CpuLoad, PowerSource, PowerTrace};
pub use server::serve;
pub use simulator::{Protocol, Settings, Simulator};

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use tokio::net::UdpSocket;
use tokio_util::sync::CancellationToken;

use crate::source::meter::frame::Key;
use crate::units::{Nanoseconds, Volts, Watts};

const EXAMPLES: &str = "Examples:
  A meter of the deployed kind, whose power follows this machine's load:
    prony meter-sim --idle-watts 2.5 --max-watts 7
  and in the agent's configuration:
    [[source.esp32]]
    address = \"127.0.0.1:30000\"
    channel = 1
    volts = 5.0

  The same on a bad network, with a reboot every five minutes and a clock that is 80 ppm fast:
    prony meter-sim --loss 0.2 --duplicate 0.05 --reorder 0.1 --reboot-every 5m --clock-drift 80

  A recorded day, authenticated, over protocol v2:
    openssl rand -hex 32 > meter.key
    prony meter-sim --protocol v2 --key-file meter.key --trace day.csv";

/// A power meter for people without one: speaks the protocols of real meters over UDP.
#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct MeterSimArgs {
    /// Where to listen.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:30000")]
    pub listen: SocketAddr,

    /// Which protocol to speak.
    #[arg(long, value_enum, default_value = "v1")]
    pub protocol: ProtocolVersion,

    /// How many channels the meter has; each INA3221 has three.
    #[arg(long, value_name = "N", default_value = "6", value_parser = clap::value_parser!(u8).range(1..=12))]
    pub channels: u8,

    /// The supply voltage of every channel.
    #[arg(long, value_name = "V", default_value = "5.0", value_parser = positive)]
    pub volts: f64,

    /// The power of this machine when idle.
    #[arg(long, value_name = "W", default_value = "2.5", value_parser = not_negative)]
    pub idle_watts: f64,

    /// The power of this machine with all processors busy.
    #[arg(long, value_name = "W", default_value = "7.0", value_parser = not_negative)]
    pub max_watts: f64,

    /// Where procfs is mounted: the load is read from its `stat`.
    #[arg(long, value_name = "DIR", default_value = "/proc")]
    pub procfs: PathBuf,

    /// Follow this file of `seconds,watts` lines, over and over, instead of the load.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["idle_watts", "max_watts", "procfs"])]
    pub trace: Option<PathBuf>,

    /// Standard deviation of a conversion, as a fraction of its value.
    #[arg(long, value_name = "FRACTION", default_value = "0.01", value_parser = probability)]
    pub noise: f64,

    /// How many datagrams get lost, both ways.
    #[arg(long, value_name = "FRACTION", default_value = "0", value_parser = probability)]
    pub loss: f64,

    /// How many datagrams arrive twice.
    #[arg(long, value_name = "FRACTION", default_value = "0", value_parser = probability)]
    pub duplicate: f64,

    /// How many datagrams arrive after later ones.
    #[arg(long, value_name = "FRACTION", default_value = "0", value_parser = probability)]
    pub reorder: f64,

    /// Reboot this often.
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub reboot_every: Option<Duration>,

    /// How far the meter's clock is off, in parts per million; positive runs fast.
    #[arg(long, value_name = "PPM", default_value = "0", allow_negative_numbers = true)]
    pub clock_drift: f64,

    /// How often to send. (v2 subscribers choose for themselves.)
    #[arg(long, value_name = "DURATION", default_value = "1000ms", value_parser = humantime::parse_duration)]
    pub interval: Duration,

    /// Where the random numbers start: the same seed gives the same noise and losses.
    #[arg(long, value_name = "N", default_value = "0")]
    pub seed: u64,

    /// The meter's name in protocol v2.
    #[arg(long, value_name = "NAME", default_value = "meter-sim")]
    pub device: String,

    /// Sign v2 reports, and take signed requests only, with the key in this file.
    #[arg(long, value_name = "FILE")]
    pub key_file: Option<PathBuf>,

    /// Send v2 reports here without being asked.
    #[arg(long, value_name = "ADDR")]
    pub push_to: Option<SocketAddr>,
}

/// A protocol's version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ProtocolVersion {
    /// The deployed ESP32 meters' protocol.
    V1,
    /// Prony's own.
    V2,
}

/// Runs the simulated meter until it is interrupted.
pub async fn run(args: MeterSimArgs) -> anyhow::Result<()> {
    let simulator = Simulator::new(settings(&args)?);
    let power = match &args.trace {
        Some(path) => PowerSource::Trace(PowerTrace::read(path)?),
        None => PowerSource::Load(CpuLoad::new(&args.procfs, Watts(args.idle_watts), Watts(args.max_watts))),
    };
    let socket = UdpSocket::bind(args.listen)
        .await
        .with_context(|| format!("cannot listen on {}: choose another address with --listen", args.listen))?;
    println!("listening on {}", socket.local_addr()?);

    let shutdown = CancellationToken::new();
    let interrupted = shutdown.clone();
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            interrupted.cancel();
        }
    });
    serve(socket, simulator, power, shutdown).await
}

fn settings(args: &MeterSimArgs) -> anyhow::Result<Settings> {
    if args.protocol == ProtocolVersion::V1 && (args.key_file.is_some() || args.push_to.is_some()) {
        bail!("protocol v1 knows neither keys nor pushing: add --protocol v2");
    }
    if args.interval < Duration::from_millis(10) {
        bail!("--interval has to be at least 10ms");
    }
    let key = args.key_file.as_deref().map(Key::read).transpose().map_err(anyhow::Error::msg)?;
    Ok(Settings {
        protocol: match args.protocol {
            ProtocolVersion::V1 => Protocol::V1,
            ProtocolVersion::V2 => Protocol::V2 { device: args.device.clone(), key, push_to: args.push_to },
        },
        board: BoardSettings {
            channels: args.channels,
            volts: Volts(args.volts),
            noise: args.noise,
            clock_drift_ppm: args.clock_drift,
            // Larger at every start of the simulator, as the protocol wants it.
            first_boot_id: SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs(),
        },
        impairments: Impairments { loss: args.loss, duplicate: args.duplicate, reorder: args.reorder },
        interval: args.interval.into(),
        reboot_every: args.reboot_every.map(Nanoseconds::from),
        seed: args.seed,
    })
}

fn probability(text: &str) -> Result<f64, String> {
    number(text, |value| (0.0..=1.0).contains(&value)).ok_or_else(|| "has to be from 0 to 1".into())
}

fn positive(text: &str) -> Result<f64, String> {
    number(text, |value| value > 0.0).ok_or_else(|| "has to be larger than 0".into())
}

fn not_negative(text: &str) -> Result<f64, String> {
    number(text, |value| value >= 0.0).ok_or_else(|| "has to be 0 or larger".into())
}

fn number(text: &str, allowed: impl Fn(f64) -> bool) -> Option<f64> {
    text.parse().ok().filter(|value: &f64| value.is_finite() && allowed(*value))
}

#[cfg(test)]
mod tests {
    use clap::{Command, FromArgMatches};

    use super::*;

    fn parse(arguments: &[&str]) -> Result<MeterSimArgs, clap::Error> {
        let command = MeterSimArgs::augment_args(Command::new("meter-sim").no_binary_name(true));
        MeterSimArgs::from_arg_matches(&command.try_get_matches_from(arguments)?)
    }

    #[test]
    fn without_arguments_it_is_a_deployed_meter() {
        let settings = settings(&parse(&[]).unwrap()).unwrap();
        assert!(matches!(settings.protocol, Protocol::V1));
        assert_eq!((settings.board.channels, settings.interval), (6, Nanoseconds::SECOND));
    }

    #[test]
    fn the_examples_of_the_help_are_right() {
        let help = MeterSimArgs::augment_args(Command::new("meter-sim")).render_help().to_string();
        let examples = help.lines().filter_map(|line| line.trim().strip_prefix("prony meter-sim ")).collect::<Vec<_>>();
        assert_eq!(examples.len(), 3);
        for example in examples {
            parse(&example.split_whitespace().collect::<Vec<_>>()).unwrap();
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for arguments in ["--loss 1.5", "--volts 0", "--channels 13", "--noise NaN", "--trace a.csv --idle-watts 1"] {
            assert!(parse(&arguments.split(' ').collect::<Vec<_>>()).is_err(), "{arguments}");
        }
        let v1_with_key = settings(&parse(&["--push-to", "127.0.0.1:1"]).unwrap());
        assert!(v1_with_key.unwrap_err().to_string().contains("--protocol v2"));
    }
}
