//! How far each method's energy of a function over 10 s is off: on simulated machines whose power is known, on activity that was
//! recorded, and on a run that others have measured.

mod options;
mod plot;
mod table;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use prony::config::Weights;
use prony_tests::accuracy::{
    HeldOut, METHODS, MeasuredRun, Meters, Run, SCENARIOS, by_prony, covered, error, measured, recorded, simulate,
};
use prony_tests::bench::median;

use options::Options;
use plot::Series;
use table::{Table, percent};

/// How Prony is tried: with which meters, about the whole machine or packages, and by which weights.
const OURS: [(&str, (Meters, bool, Weights)); 7] = [
    ("Prony: node, all meters", (Meters::All, true, Weights::Learned)),
    ("packages, RAPL", (Meters::Rapl, false, Weights::Learned)),
    ("RAPL and counters", (Meters::RaplAndCounters, false, Weights::Learned)),
    ("node, 1 Hz meter", (Meters::Node, true, Weights::Learned)),
    ("common weights: all", (Meters::All, true, Weights::Common)),
    ("RAPL", (Meters::Rapl, false, Weights::Common)),
    ("meter", (Meters::Node, true, Weights::Common)),
];
/// How many of these learn.
const LEARN: usize = 4;
/// How much of a recorded run methods may learn from before errors count, seconds.
const RECORDED_FROM: f64 = 20.0;

fn main() -> Result<()> {
    let options = Options::read()?;
    if let Some(folder) = &options.write {
        return write(&options, folder);
    }
    if let Some((trace, truth)) = &options.held_out {
        return held_out(trace, truth);
    }
    let found = all(&options)?;
    let errors = found.errors();
    println!("{errors}");
    let coverage = found.coverage();
    println!("{coverage}");
    let of_measured = options.measured.as_deref().map(of_measured).transpose()?;
    if let Some(text) = &of_measured {
        println!("{text}");
    }
    if let Some(folder) = &options.docs {
        let page = folder.join("accuracy.md");
        let mut text = fs::read_to_string(&page).with_context(|| format!("cannot read {}", page.display()))?;
        let parts = [("errors", Some(errors)), ("coverage", Some(coverage)), ("measured", of_measured)];
        for (name, part) in parts.into_iter().filter_map(|(name, part)| Some((name, part?))) {
            text = replaced(&text, name, &part)?;
        }
        fs::write(&page, text)?;
        plot::plot(&folder.join("accuracy.svg"), &found.names, &found.series())?;
    }
    Ok(())
}

/// Puts a part of the page between its two marks.
fn replaced(page: &str, name: &str, part: &str) -> Result<String> {
    let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- end of {name} -->"));
    let from = page.find(&begin).with_context(|| format!("accuracy.md has no mark {begin}"))? + begin.len();
    let to = page.find(&end).filter(|to| *to >= from).with_context(|| format!("accuracy.md has no mark {end}"))?;
    Ok(format!("{}\n{part}\n{}", &page[..from], &page[to..]))
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

/// What came of the scenarios: the errors of Prony and of the other methods, each the median over seeds, and how often the truth
/// was within what Prony said, over all of them.
#[derive(Default)]
struct Found {
    names: Vec<String>,
    ours: Vec<Vec<f64>>,
    covered: Vec<Vec<f64>>,
    others: Vec<Vec<f64>>,
    /// Of the invocations that were told, by function.
    invocations: Vec<f64>,
}

fn all(options: &Options) -> Result<Found> {
    let mut found = Found::default();
    let seeds = options.first..options.first + options.seeds;
    for scenario in SCENARIOS {
        let runs = seeds.clone().map(|seed| Ok(simulate(scenario, seed)));
        found.add(scenario.name.to_owned(), runs, scenario.counted_from)?;
    }
    for path in &options.recorded {
        let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or("recorded").trim_end_matches(".jsonl");
        found.add(format!("recorded: {name}"), seeds.clone().map(|seed| recorded(path, seed)), RECORDED_FROM)?;
    }
    Ok(found)
}

impl Found {
    fn add(&mut self, name: String, runs: impl Iterator<Item = Result<Run>>, counted_from: f64) -> Result<()> {
        let (mut ours, mut within) = (vec![Vec::new(); OURS.len()], vec![Vec::new(); OURS.len()]);
        let (mut others, mut by_invocation) = (vec![Vec::new(); METHODS.len()], vec![Vec::new(); OURS.len()]);
        for run in runs {
            let run = run?;
            let truth = |of_node: bool| if of_node { &run.truth.node } else { &run.truth.packages };
            for (place, (_, (meters, of_node, weights))) in OURS.into_iter().enumerate() {
                let said = by_prony(&HeldOut::of(&run, meters, counted_from), of_node, weights)?;
                ours[place].push(error(&said.energies, truth(of_node), counted_from));
                within[place].push(covered(&said, truth(of_node), counted_from));
                if said.invocations.iter().flatten().any(|energy| *energy > 0.0) {
                    by_invocation[place].push(error(&said.invocations, truth(of_node), counted_from));
                }
            }
            for (errors, method) in others.iter_mut().zip(METHODS) {
                errors.push(error(&(method.energies)(&run), truth(method.of_node), counted_from));
            }
        }
        ensure!(!ours[0].is_empty(), "no run");
        if !by_invocation[0].is_empty() {
            self.invocations = by_invocation.into_iter().map(median).collect();
        }
        let mean = |values: Vec<f64>| values.iter().sum::<f64>() / values.len() as f64;
        self.names.push(name);
        self.ours.push(ours.into_iter().map(median).collect());
        self.covered.push(within.into_iter().map(mean).collect());
        self.others.push(others.into_iter().map(median).collect());
        Ok(())
    }

    fn errors(&self) -> String {
        let titles = OURS.iter().map(|(title, _)| *title).chain(METHODS.iter().map(|method| method.name));
        let mut table = Table::new(std::iter::once("mean error").chain(titles));
        for ((name, ours), others) in self.names.iter().zip(&self.ours).zip(&self.others) {
            table.row(name, ours.iter().chain(others).map(|error| percent(*error)));
        }
        if !self.invocations.is_empty() {
            let ours = self.invocations.iter().map(|error| percent(*error));
            table.row("short, by invocation", ours.chain(METHODS.iter().map(|_| "–".to_owned())));
        }
        table.markdown()
    }

    fn coverage(&self) -> String {
        let mut table =
            Table::new(std::iter::once("true within ± 1.96 sigma").chain(OURS.iter().map(|(title, _)| *title)));
        for (name, covered) in self.names.iter().zip(&self.covered) {
            table.row(name, covered.iter().map(|part| percent(*part)));
        }
        let of_all = |place: usize| self.covered.iter().map(|row| row[place]).sum::<f64>() / self.covered.len() as f64;
        table.row("all", (0..OURS.len()).map(|place| percent(of_all(place))));
        table.markdown()
    }

    fn series(&self) -> Vec<Series> {
        let column = |rows: &[Vec<f64>], place: usize| rows.iter().map(|row| row[place]).collect();
        let named = |title: &str| if title.starts_with("Prony") { title.to_owned() } else { format!("Prony: {title}") };
        let ours = OURS[..LEARN].iter().enumerate().map(|(place, (title, _))| Series {
            name: named(title),
            errors: column(&self.ours, place),
            is_ours: true,
        });
        let others = METHODS.iter().enumerate().map(|(place, method)| Series {
            name: method.name.to_owned(),
            errors: column(&self.others, place),
            is_ours: false,
        });
        ours.chain(others).collect()
    }
}

/// A run that was measured, with RAPL and the wall meter, and with the wall meter alone.
fn of_measured(folder: &Path) -> Result<String> {
    let learned = measured(folder, Weights::Learned, true)?;
    let common = measured(folder, Weights::Common, true)?;
    let (by_wall, common_by_wall) =
        (measured(folder, Weights::Learned, false)?, measured(folder, Weights::Common, false)?);
    let titles =
        ["meters", "function", "truth, J", "learned, J", "share", "common, J", "share", "FaasMeter, J", "share"];
    let mut table = Table::new(titles);
    for (zone, learned, common) in [
        ("wall and RAPL: node", &learned.node, &common.node),
        ("wall: node", &by_wall.node, &common_by_wall.node),
        ("RAPL: package", &learned.package, &common.package),
    ] {
        for (learned, common) in learned.iter().zip(common) {
            let joules = |joules: f64| format!("{joules:.2}");
            let off = |part: f64| format!("{:+.1} %", 100.0 * part);
            let cells = [
                learned.function.replace('_', " "),
                joules(learned.truth),
                joules(learned.prony),
                off(learned.share_error),
                joules(common.prony),
                off(common.share_error),
                joules(learned.faasmeter),
                off(learned.faasmeter_share_error),
            ];
            table.row(zone, cells);
        }
    }
    Ok(format!("{}\n{}\n{}", table.markdown(), before("wall and RAPL", &learned), before("wall alone", &by_wall)))
}

/// What is said of the machine before functions ran, and of its meters.
fn before(name: &str, run: &MeasuredRun) -> String {
    let (all, fixed) = run.before;
    let meters = run.meters.iter().map(|meter| {
        let number = |key: &str| meter[key].as_f64();
        let mut text =
            format!("  - {} of {}", meter["meter"].as_str().unwrap_or(""), meter["zone"].as_str().unwrap_or(""));
        if let (Some(delay), Some(sigma), Some(mean)) =
            (number("delay_s"), number("delay_sigma_s"), number("mean_over_s"))
        {
            let _ = write!(text, ": {delay:+.3} ± {sigma:.3} s late, a mean over {mean:.2} s");
        }
        if let (Some(gain), Some(sigma), Some(offset)) = (number("gain"), number("gain_sigma"), number("offset_w")) {
            let _ = write!(text, "; {gain:.2} ± {sigma:.2} W a watt of the package, and {offset:.1} W beside it");
        }
        if let Some(idle) = number("idle_w") {
            let _ = write!(text, "; idle at {idle:.2} W");
        }
        text + "\n"
    });
    format!(
        "- {name}: before the first function ran, the machine drew {all:.2} W, of which {fixed:.2} W were said to be static\n{}",
        meters.collect::<String>()
    )
}
