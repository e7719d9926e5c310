//! How far each method's energy of a function over 10 s is off: on simulated machines whose power is known, and on a run
//! that others have measured.

use std::num::NonZeroU64;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use prony::config::Weights;
use prony_tests::accuracy::{
    HeldOut, METHODS, Measured, Meters, SCENARIOS, Scenario, by_prony, covered, error, measured, simulate,
};
use prony_tests::bench::median;

const USAGE: &str = "\
bench-accuracy [--seeds N] [--first SEED] [--measured FOLDER] [--write FOLDER] [--trace FILE --truth FILE]
  --seeds N          how many runs of each scenario (5); the median of their errors is printed
  --first SEED       the first of them (1)
  --measured FOLDER  a run that was measured: trace.jsonl.gz and truth.json
  --write FOLDER     writes the runs of the first seed there, each a trace and its truth, and ends
  --trace FILE --truth FILE
                     only this run, of which nothing else is known";

/// How Prony is tried: with which meters, about the whole machine or packages, and by which weights.
const OURS: [(&str, (Meters, bool, Weights)); 6] = [
    ("all, node", (Meters::All, true, Weights::Learned)),
    ("RAPL", (Meters::Rapl, false, Weights::Learned)),
    ("meter", (Meters::Node, true, Weights::Learned)),
    ("common, all", (Meters::All, true, Weights::Common)),
    ("common, RAPL", (Meters::Rapl, false, Weights::Common)),
    ("common, meter", (Meters::Node, true, Weights::Common)),
];

/// What it is told.
struct Options {
    seeds: u64,
    first: u64,
    measured: Option<PathBuf>,
    write: Option<PathBuf>,
    trace: Option<PathBuf>,
    truth: Option<PathBuf>,
}

fn main() -> Result<()> {
    let options = options()?;
    if let Some(folder) = &options.write {
        return write(&options, folder);
    }
    if let (Some(trace), Some(truth)) = (&options.trace, &options.truth) {
        return held_out(trace, truth);
    }
    print!("{:<30}", "mean error");
    for (title, _) in OURS {
        print!(" {title:>13}");
    }
    for method in METHODS {
        print!(" {:>10}", method.name);
    }
    println!();
    let mut covered = Vec::new();
    for scenario in SCENARIOS {
        let found = found(scenario, &options)?;
        print!("{:<30}", scenario.name);
        for error in &found.errors {
            print!(" {:>13}", percent(*error));
        }
        for error in &found.of_others {
            print!(" {:>10}", percent(*error));
        }
        println!();
        covered.push((scenario.name, found.covered));
    }
    println!("\nwithin the interval that is said to hold 95 of 100");
    for (name, covered) in covered {
        print!("{name:<30}");
        for covered in covered {
            print!(" {:>13}", percent(covered));
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
    let mut options = Options { seeds: 5, first: 1, measured: None, write: None, trace: None, truth: None };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().with_context(|| format!("{argument} needs a value\n{USAGE}"));
        match argument.as_str() {
            "--seeds" => options.seeds = value()?.parse::<NonZeroU64>().context("--seeds is a number from 1")?.get(),
            "--first" => options.first = value()?.parse().context("--first is a number")?,
            "--measured" => options.measured = Some(value()?.into()),
            "--write" => options.write = Some(value()?.into()),
            "--trace" => options.trace = Some(value()?.into()),
            "--truth" => options.truth = Some(value()?.into()),
            other => bail!("there is no option {other}\n{USAGE}"),
        }
    }
    if options.trace.is_some() != options.truth.is_some() {
        bail!("--trace and --truth belong together\n{USAGE}");
    }
    Ok(options)
}

/// Writes the runs of the first seed.
fn write(options: &Options, folder: &Path) -> Result<()> {
    for scenario in SCENARIOS {
        let run = HeldOut::of(&simulate(scenario, options.first), Meters::All, scenario.counted_from);
        run.write(folder, &scenario.name.replace([' ', ','], "_"))?;
    }
    Ok(())
}

/// A run of which only the files are there.
fn held_out(trace: &Path, truth: &Path) -> Result<()> {
    let run = HeldOut::read(trace, truth)?;
    for (name, weights) in [("learned", Weights::Learned), ("common", Weights::Common)] {
        for (zone, of_node, truth) in [("node", true, &run.truth.node_j), ("packages", false, &run.truth.packages_j)] {
            if !truth.is_empty() {
                let (said, from) = (by_prony(&run, of_node, weights)?, run.truth.counted_from_s);
                let (error, covered) = (error(&said.energies, truth, from), covered(&said, truth, from));
                println!("{name:<8} {zone:<9} {:>8} {:>8}", percent(error), percent(covered));
            }
        }
    }
    Ok(())
}

/// What came of a scenario: the errors of Prony and of the other methods, each the median over seeds, and how often the truth
/// was within what Prony said, over all of them.
struct Found {
    errors: Vec<f64>,
    covered: Vec<f64>,
    of_others: Vec<f64>,
}

fn found(scenario: &Scenario, options: &Options) -> Result<Found> {
    let (mut errors, mut covered_by) = (vec![Vec::new(); OURS.len()], vec![0.0; OURS.len()]);
    let mut of_others = vec![Vec::new(); METHODS.len()];
    for seed in options.first..options.first + options.seeds {
        let run = simulate(scenario, seed);
        let truth = |of_node: bool| if of_node { &run.truth.node } else { &run.truth.packages };
        for (place, (_, (meters, of_node, weights))) in OURS.into_iter().enumerate() {
            let seen = HeldOut::of(&run, meters, scenario.counted_from);
            let said = by_prony(&seen, of_node, weights)?;
            errors[place].push(error(&said.energies, truth(of_node), scenario.counted_from));
            covered_by[place] += covered(&said, truth(of_node), scenario.counted_from) / options.seeds as f64;
        }
        for (errors, method) in of_others.iter_mut().zip(METHODS) {
            errors.push(error(&(method.energies)(&run), truth(method.of_node), scenario.counted_from));
        }
    }
    let medians = |errors: Vec<Vec<f64>>| errors.into_iter().map(median).collect();
    Ok(Found { errors: medians(errors), covered: covered_by, of_others: medians(of_others) })
}

fn percent(part: f64) -> String {
    format!("{:.1} %", 100.0 * part)
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
