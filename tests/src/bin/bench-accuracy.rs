//! How far each method's energy of a function over 10 s is off: on simulated machines whose power is known, and on a run
//! that others have measured.

use std::num::NonZeroU64;
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use prony::config::Weights;
use prony_tests::accuracy::{METHODS, Measured, Meters, SCENARIOS, Scenario, by_prony, error, measured, simulate};
use prony_tests::bench::median;

const USAGE: &str = "\
bench-accuracy [--seeds N] [--first SEED] [--measured FOLDER]
  --seeds N          how many runs of each scenario (5); the median of their errors is printed
  --first SEED       the first of them (1)
  --measured FOLDER  a run that was measured: trace.jsonl.gz and truth.json";

/// By which meters Prony is tried, and whether it is about the whole machine or about packages.
const METERS: [(Meters, bool); 3] = [(Meters::All, true), (Meters::Rapl, false), (Meters::Node, true)];
/// How many columns are Prony's: each of these with learned and with common weights.
const OURS: usize = 2 * METERS.len();

/// What it is told.
struct Options {
    seeds: u64,
    first: u64,
    measured: Option<PathBuf>,
}

fn main() -> Result<()> {
    let options = options()?;
    print!(
        "{:<30} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8}",
        "mean error", "learned", "RAPL", "meter", "common", "RAPL", "meter"
    );
    for method in METHODS {
        print!(" {:>10}", method.name);
    }
    println!();
    for scenario in SCENARIOS {
        print!("{:<30}", scenario.name);
        for (place, error) in errors(scenario, &options)?.into_iter().enumerate() {
            let width = if place < OURS { 8 } else { 10 };
            print!(" {:>width$}", format!("{:.1} %", 100.0 * error));
        }
        println!();
    }
    if let Some(folder) = &options.measured {
        for (name, weights) in [("learned weights", Weights::Learned), ("common weights", Weights::Common)] {
            print_measured(name, &measured(folder, weights)?);
        }
    }
    Ok(())
}

fn options() -> Result<Options> {
    let mut options = Options { seeds: 5, first: 1, measured: None };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().with_context(|| format!("{argument} needs a value\n{USAGE}"));
        match argument.as_str() {
            "--seeds" => options.seeds = value()?.parse::<NonZeroU64>().context("--seeds is a number from 1")?.get(),
            "--first" => options.first = value()?.parse().context("--first is a number")?,
            "--measured" => options.measured = Some(value()?.into()),
            other => bail!("there is no option {other}\n{USAGE}"),
        }
    }
    Ok(options)
}

/// Of Prony with all meters, with RAPL and with the node's, and of the other methods: the median over seeds.
fn errors(scenario: &Scenario, options: &Options) -> Result<Vec<f64>> {
    let mut errors = vec![Vec::new(); OURS + METHODS.len()];
    for seed in options.first..options.first + options.seeds {
        let run = simulate(scenario, seed);
        let mut add = |place: usize, said, of_node: bool| {
            let truth = if of_node { &run.truth.node } else { &run.truth.packages };
            errors[place].push(error(&said, truth, scenario.counted_from));
        };
        for (first, weights) in [(0, Weights::Learned), (3, Weights::Common)] {
            for (place, (meters, of_node)) in (first..).zip(METERS) {
                add(place, by_prony(&run, meters, of_node, weights)?, of_node);
            }
        }
        for (place, method) in (OURS..).zip(METHODS) {
            add(place, (method.energies)(&run), method.of_node);
        }
    }
    Ok(errors.into_iter().map(median).collect())
}

fn print_measured(weights: &str, rows: &[Measured]) {
    println!(
        "\n{weights}\n{:<10} {:<18} {:>9} {:>9} {:>10} {:>12} {:>16}",
        "zone", "function", "truth, J", "Prony, J", "FaasMeter", "Prony share", "FaasMeter share"
    );
    for row in rows {
        println!(
            "{:<10} {:<18} {:>9.2} {:>9.2} {:>10.2} {:>12} {:>16}",
            row.zone,
            row.function,
            row.truth,
            row.prony,
            row.faasmeter,
            format!("{:+.1} %", 100.0 * row.share_error),
            format!("{:+.1} %", 100.0 * row.faasmeter_share_error)
        );
    }
}
