//! `prony record`: the agent, writing down what comes into its pipeline.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::config::StateConfig;

use super::run::RunArgs;

const EXAMPLES: &str = "\
Examples:
  sudo prony record --out trace.jsonl.gz --for 60s
  sudo prony record --out trace.jsonl --config prony.toml --serve
  prony replay trace.jsonl.gz

Records who ran, what meters said, starts and ends of processes, and invocations. It does so beside an agent that runs
already, since it serves nothing itself; with --serve it takes reports of invocations, too. The format is described in
docs/trace.md.
Signals:
  SIGTERM, SIGINT  end in order
Exit codes: 0 recorded, 1 failure, 2 wrong usage or configuration.";

/// What `prony record` is told.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct RecordArgs {
    /// Where to record to; packed where the name ends in .gz
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// For how long [default: until it is told to end]
    #[arg(long = "for", value_name = "DURATION", value_parser = humantime::parse_duration)]
    length: Option<Duration>,
    /// Serve metrics and gRPC meanwhile, as `prony run` does
    #[arg(long)]
    serve: bool,
    #[command(flatten)]
    run: RunArgs,
}

/// Records until it is told to end, or for as long as was asked for.
pub fn run(args: &RecordArgs) -> anyhow::Result<ExitCode> {
    let mut loaded = args.run.load()?;
    if !args.serve {
        loaded.config.prometheus.enabled = false;
        loaded.config.grpc.enabled = false;
        // They are the agent's that may run beside it.
        loaded.config.attribution.profile = None;
        loaded.config.state = StateConfig::default();
    }
    let done = args.run.start(loaded, Some(create(&args.out)?), args.length)?.unwrap_or_default();
    eprintln!(
        "{}: {} windows, {} readings, {} invocations, {:.1} MiB{}",
        args.out.display(),
        done.windows,
        done.readings,
        done.invocations,
        done.bytes as f64 / f64::from(1 << 20),
        if is_packed(&args.out) { " before packing" } else { "" }
    );
    Ok(ExitCode::SUCCESS)
}

fn create(path: &Path) -> anyhow::Result<Box<dyn Write + Send>> {
    let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
    let file = BufWriter::with_capacity(1 << 18, file);
    Ok(if is_packed(path) { Box::new(Packed(GzEncoder::new(file, Compression::fast()))) } else { Box::new(file) })
}

/// A packed file, which ends when it is flushed.
struct Packed(GzEncoder<BufWriter<File>>);

impl Write for Packed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.try_finish()?;
        self.0.get_mut().flush()
    }
}

fn is_packed(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "gz")
}
