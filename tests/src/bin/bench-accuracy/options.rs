//! What the benchmark is told.

use std::num::NonZeroU64;
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};

const USAGE: &str = "\
bench-accuracy [--seeds N] [--first SEED] [--recorded FILE]... [--measured FOLDER] [--docs FOLDER]
bench-accuracy --write FOLDER [--first SEED]
bench-accuracy --trace FILE --truth FILE
  --seeds N          how many runs of each scenario (5); the median of their errors is printed
  --first SEED       the first of them (1)
  --recorded FILE    activity that `prony record` has written down, as one more scenario, with simulated power and meters
  --measured FOLDER  a run that was measured: trace.jsonl.gz and truth.json
  --docs FOLDER      writes what is printed into accuracy.md there, and accuracy.svg beside it
  --write FOLDER     writes the runs of the first seed there, each a trace and its truth, and ends
  --trace FILE --truth FILE
                     only this run, of which nothing else is known";

/// See [`USAGE`].
#[derive(Debug, Default)]
pub(crate) struct Options {
    pub(crate) seeds: u64,
    pub(crate) first: u64,
    pub(crate) recorded: Vec<PathBuf>,
    pub(crate) measured: Option<PathBuf>,
    pub(crate) docs: Option<PathBuf>,
    pub(crate) write: Option<PathBuf>,
    pub(crate) held_out: Option<(PathBuf, PathBuf)>,
}

impl Options {
    pub(crate) fn read() -> Result<Self> {
        let mut options = Self { seeds: 5, first: 1, ..Self::default() };
        let (mut trace, mut truth) = (None, None);
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().with_context(|| format!("{argument} needs a value\n{USAGE}"));
            match argument.as_str() {
                "--seeds" => {
                    options.seeds = value()?.parse::<NonZeroU64>().context("--seeds is a number from 1")?.get();
                }
                "--first" => options.first = value()?.parse().context("--first is a number")?,
                "--recorded" => options.recorded.push(value()?.into()),
                "--measured" => options.measured = Some(value()?.into()),
                "--docs" => options.docs = Some(value()?.into()),
                "--write" => options.write = Some(value()?.into()),
                "--trace" => trace = Some(value()?.into()),
                "--truth" => truth = Some(value()?.into()),
                other => bail!("there is no option {other}\n{USAGE}"),
            }
        }
        options.held_out = match (trace, truth) {
            (Some(trace), Some(truth)) => Some((trace, truth)),
            (None, None) => None,
            _ => bail!("--trace and --truth belong together\n{USAGE}"),
        };
        Ok(options)
    }
}
