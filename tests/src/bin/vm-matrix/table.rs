//! What came out, as a table for people.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use prony_tests::vm::{Check, Machine, Outcome, Report};
use xtask::virtual_machine::Kernel;

const BEGIN: &str = "<!-- written by cargo xtask vm-test -->";
const END: &str = "<!-- end -->";

/// What came of one kernel on one machine.
#[derive(Clone, Debug)]
pub(crate) enum Cell {
    /// The guest looked at everything.
    Reported(Report),
    /// The guest did not come to an end.
    Died(String),
    /// It could not be tried here.
    Skipped(String),
}

/// All of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    cells: Vec<(Kernel, Machine, Cell)>,
}

impl Table {
    pub(crate) fn add(&mut self, kernel: &Kernel, machine: &Machine, cell: Cell) {
        self.cells.push((*kernel, *machine, cell));
    }

    /// Whether nothing failed.
    pub(crate) fn is_good(&self) -> bool {
        self.count().1 == 0
    }

    /// `N passed, N failed, N skipped`, in checks; a guest that died is one.
    pub(crate) fn summary(&self) -> String {
        let (good, bad, skipped) = self.count();
        format!("{good} passed, {bad} failed, {skipped} skipped")
    }

    fn count(&self) -> (usize, usize, usize) {
        self.cells.iter().fold((0, 0, 0), |(good, bad, skipped), (.., cell)| match cell {
            Cell::Reported(report) => {
                let count = |outcome| report.with(outcome).count();
                (good + count(Outcome::Good), bad + count(Outcome::Bad), skipped + count(Outcome::Absent))
            }
            Cell::Died(_) => (good, bad + 1, skipped),
            Cell::Skipped(_) => (good, bad, skipped + 1),
        })
    }

    /// Replaces what stands between the marks of a file.
    pub(crate) fn write_into(&self, file: &Path) -> Result<()> {
        let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        let marks = || format!("{} has not both marks, {BEGIN} and {END}", file.display());
        let (before, rest) = text.split_once(BEGIN).with_context(marks)?;
        let (_, after) = rest.split_once(END).with_context(marks)?;
        let new = format!("{before}{BEGIN}\n\n{}\n{END}{after}", self.markdown());
        fs::write(file, new).with_context(|| format!("cannot write {}", file.display()))
    }

    fn markdown(&self) -> String {
        let mut text =
            "| kernel | machine | attached by | energy of packages by powercap | by perf | all looked at |\n\
                        |---|---|---|---|---|---|\n"
                .to_owned();
        for (kernel, machine, cell) in &self.cells {
            let line = match cell {
                Cell::Reported(report) => row(machine, report),
                Cell::Died(_) => format!("| {} | {} | | | | FAILED |", kernel.name, machine.title),
                Cell::Skipped(_) => format!("| {} | {} | | | | skipped |", kernel.name, machine.title),
            };
            writeln!(text, "{line}").expect("writing to a string");
        }
        text
    }
}

fn row(machine: &Machine, report: &Report) -> String {
    let energy = |meter: &str| {
        let of_meter = report.checks.iter().find(|check| {
            check.name.starts_with(meter)
                && (check.outcome != Outcome::Good || check.name.contains("energy of packages"))
        });
        of_meter.map_or_else(|| "-".to_owned(), shown)
    };
    let count = |outcome| report.with(outcome).count();
    let all = match count(Outcome::Bad) {
        0 => format!("{} good", count(Outcome::Good)),
        bad => format!("{bad} FAILED, {} good", count(Outcome::Good)),
    };
    let (powercap, perf) = (energy("powercap"), energy("perf"));
    let attachment = if report.attachment.is_empty() { "-".to_owned() } else { format!("`{}`", report.attachment) };
    format!("| {} | {} | {attachment} | {powercap} | {perf} | {all} |", report.kernel, machine.title)
}

fn shown(check: &Check) -> String {
    match check.outcome {
        Outcome::Good => check.detail.clone(),
        Outcome::Bad => format!("FAILED: {}", check.detail.lines().next().unwrap_or_default()),
        Outcome::Absent => "not there".to_owned(),
    }
}
