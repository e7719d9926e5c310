//! `prony replay`: a recorded trace through the same pipeline.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context as _;
use flate2::read::MultiGzDecoder;

use crate::config::{Policy, Weights};
use crate::trace::{By, Replay, ReplayOptions};
use crate::units::{Volts, Watts};

use super::logging::{self, LogFormat};

const EXAMPLES: &str = "\
Examples:
  prony replay trace.jsonl
  prony replay trace.jsonl.gz --policy proportional --by cgroup --out result.jsonl
  prony replay trace.jsonl --static-power node=15.8 --static-power package-0=8

The trace's format is described in docs/trace.md. The same trace and options give the same result, byte for byte.
Exit codes: 0 replayed, 1 a line makes no sense or a file cannot be read or written, 2 wrong usage.";

/// What `prony replay` is told.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct ReplayArgs {
    /// The trace; one whose name ends in .gz is unpacked
    #[arg(value_name = "FILE")]
    trace: PathBuf,
    /// Where to write what comes out [default: standard output]
    #[arg(long, value_name = "RESULT")]
    out: Option<PathBuf>,
    /// Who is charged with static energy
    #[arg(long, value_enum, default_value_t, value_name = "POLICY")]
    policy: Policy,
    /// What activity counts for when energy is shared out
    #[arg(long, value_enum, default_value_t, value_name = "WEIGHTS")]
    weights: Weights,
    /// Whose energy each line says
    #[arg(long, value_enum, default_value_t, value_name = "WHOM")]
    by: By,
    /// Static power of a zone, in watts; learned for zones that are not given
    #[arg(long, value_name = "ZONE=WATTS", value_parser = static_power)]
    static_power: Vec<(String, Watts)>,
    /// Supply voltage of an ESP32 meter, whose datagrams carry charge
    #[arg(long, value_name = "VOLTS", default_value_t = 5.0)]
    volts: f64,
    /// How far that may be off, as a fraction
    #[arg(long, value_name = "FRACTION", default_value_t = 0.05)]
    volts_tolerance: f64,
    /// Command names of servers that start a process for every request, separated by spaces
    #[arg(long, value_name = "NAMES", default_value = "")]
    fork_servers: String,
}

fn static_power(text: &str) -> Result<(String, Watts), String> {
    let (zone, watts) = text.split_once('=').ok_or("write a zone and its watts, for example node=15.8")?;
    match watts.parse::<f64>() {
        Ok(watts) if watts.is_finite() && watts >= 0.0 => Ok((zone.to_owned(), Watts(watts))),
        _ => Err(format!("'{watts}' is no power: write watts, for example {zone}=15.8")),
    }
}

/// Replays a trace.
pub fn run(args: &ReplayArgs) -> anyhow::Result<ExitCode> {
    logging::start(LogFormat::default(), 0)?;
    let options = ReplayOptions {
        policy: args.policy,
        weights: args.weights,
        static_power: args.static_power.iter().cloned().collect(),
        volts: Volts(args.volts),
        volts_tolerance: args.volts_tolerance,
        fork_servers: args.fork_servers.split_whitespace().map(str::to_owned).collect(),
        by: args.by,
    };
    let began = Instant::now();
    let name = args.trace.display();
    let out: Box<dyn Write + Send> = match &args.out {
        Some(path) => Box::new(File::create(path).with_context(|| format!("cannot write {}", path.display()))?),
        None => Box::new(io::stdout()),
    };
    let done = Replay::run(|| open(&args.trace), &options, out).with_context(|| format!("{name}"))?;
    let took = began.elapsed().as_secs_f64();
    eprintln!(
        "{} windows over {:.1} s, {} readings, {} invocations ({} refused), replayed in {took:.2} s: {:.0} times as fast \
         as they came",
        done.windows,
        done.time.seconds(),
        done.readings,
        done.invocations,
        done.refused,
        done.time.seconds() / took
    );
    Ok(ExitCode::SUCCESS)
}

fn open(path: &Path) -> io::Result<Box<dyn BufRead + Send>> {
    let file = File::open(path)?;
    if path.extension().is_some_and(|extension| extension == "gz") {
        return Ok(Box::new(BufReader::with_capacity(1 << 18, MultiGzDecoder::new(file))));
    }
    Ok(Box::new(BufReader::with_capacity(1 << 18, file)))
}
