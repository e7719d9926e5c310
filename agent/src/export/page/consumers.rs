//! The table of all lines of a level, searched and sorted.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use crate::export::containers::{ContainerLine, Containers};
use crate::snapshot::{EnergyLine, LineState, OtherLine, Snapshot};
use crate::units::{Microjoules, Nanoseconds};

use super::energy::{ZoneColumn, microjoules, milliseconds, watts, zone_columns};
use super::headline::Headline;
use super::level::{Level, Subject};

/// How many lines are sent at most.
const MOST: usize = 500;

/// What is asked for.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wish {
    pub(super) level: Level,
    #[serde(default)]
    search: String,
    #[serde(default)]
    sort: Sort,
    #[serde(default = "usual")]
    limit: usize,
}

fn usual() -> usize {
    200
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Sort {
    #[default]
    Energy,
    Power,
    Cpu,
    Name,
}

/// The answer.
#[derive(Debug, Serialize)]
pub(super) struct Table {
    generation: u64,
    /// Milliseconds since the Unix epoch.
    at: f64,
    zones: Vec<ZoneColumn>,
    /// How many lines there are, and how many of them were searched for.
    total: usize,
    matched: usize,
    lines: Vec<TableLine>,
    other: Other,
}

#[derive(Debug, Serialize)]
struct TableLine {
    #[serde(flatten)]
    subject: Subject,
    state: &'static str,
    cpu_nanoseconds: Nanoseconds,
    microjoules: Vec<Microjoules>,
    watts: Vec<f64>,
}

#[derive(Debug, Serialize)]
struct Other {
    cpu_nanoseconds: Nanoseconds,
    microjoules: Vec<Microjoules>,
}

/// A line before anybody has asked for its columns.
struct Row<'a> {
    subject: Subject,
    state: LineState,
    cpu_time: Nanoseconds,
    energy: &'a [EnergyLine],
}

/// Those lines of a whole picture that are wished for. Where no zone is known they are sorted by CPU time.
pub(super) fn table(snapshot: &Snapshot, wish: &Wish) -> Table {
    let containers = match wish.level {
        Level::Container => Containers::default().update(snapshot, |_, _| true),
        _ => Vec::new(),
    };
    let mut rows = rows(snapshot, &containers, wish.level);
    let (total, other) = (rows.len(), other(snapshot, &rows, wish.level));
    let search = wish.search.to_lowercase();
    if !search.is_empty() {
        let has = |text: &str| text.to_lowercase().contains(&search);
        rows.retain(|Row { subject, .. }| has(&subject.name) || has(&subject.detail));
    }
    let matched = rows.len();
    let headline = Headline::of(&snapshot.zones);
    let mut keyed: Vec<(f64, Row<'_>)> =
        rows.into_iter().map(|row| (key(&row, wish.sort, headline.as_ref()), row)).collect();
    keyed.sort_unstable_by(|(left, one), (right, two)| {
        right
            .partial_cmp(left)
            .unwrap_or(Ordering::Equal)
            .then_with(|| one.subject.name.cmp(&two.subject.name))
            .then_with(|| one.subject.id.cmp(&two.subject.id))
    });
    keyed.truncate(wish.limit.min(MOST));
    let line = |(_, row): (f64, Row<'_>)| TableLine {
        subject: row.subject,
        state: match row.state {
            LineState::Running => "running",
            LineState::Terminated => "ended",
        },
        cpu_nanoseconds: row.cpu_time,
        microjoules: microjoules(snapshot, row.energy),
        watts: watts(snapshot, row.energy),
    };
    Table {
        generation: snapshot.generation.0,
        at: milliseconds(snapshot.at_unix),
        zones: zone_columns(snapshot),
        total,
        matched,
        lines: keyed.into_iter().map(line).collect(),
        other,
    }
}

fn rows<'a>(snapshot: &'a Snapshot, containers: &'a [ContainerLine], level: Level) -> Vec<Row<'a>> {
    let row = |subject, state, cpu_time, energy| Row { subject, state, cpu_time, energy };
    match level {
        Level::Function => snapshot
            .functions
            .iter()
            .map(|line| row(Subject::of_function(line), LineState::Running, line.cpu_time, &*line.energy))
            .collect(),
        Level::Container => containers
            .iter()
            .map(|line| row(Subject::of_container_line(line), line.state, line.cpu_time, &*line.energy))
            .collect(),
        Level::Cgroup => snapshot
            .cgroups
            .iter()
            .map(|line| row(Subject::of_cgroup(line), line.state, line.cpu_time, &*line.energy))
            .collect(),
        Level::Process => snapshot
            .processes
            .iter()
            .map(|line| row(Subject::of_process(line), line.state, line.cpu_time, &*line.energy))
            .collect(),
    }
}

/// What the lines are short of the whole.
fn other(snapshot: &Snapshot, rows: &[Row<'_>], level: Level) -> Other {
    let of = |lines: &[&OtherLine]| Other {
        cpu_nanoseconds: lines.iter().map(|line| line.cpu_time).sum(),
        microjoules: microjoules(
            snapshot,
            &lines.iter().flat_map(|line| line.energy.iter().copied()).collect::<Vec<_>>(),
        ),
    };
    match level {
        Level::Function => of(&[&snapshot.other_functions, &snapshot.pending_functions]),
        Level::Cgroup => of(&[&snapshot.other_cgroups]),
        Level::Process => of(&[&snapshot.other_processes]),
        Level::Container => {
            let cpu_time: Nanoseconds = rows.iter().map(|row| row.cpu_time).sum();
            let mut left: Vec<Microjoules> = snapshot.zones.iter().map(|zone| zone.active + zone.idle_shared).collect();
            for row in rows {
                for (left, used) in left.iter_mut().zip(microjoules(snapshot, row.energy)) {
                    *left = left.saturating_sub(used);
                }
            }
            Other { cpu_nanoseconds: snapshot.busy_cpu_time.saturating_sub(cpu_time), microjoules: left }
        }
    }
}

fn key(row: &Row<'_>, sort: Sort, headline: Option<&Headline>) -> f64 {
    match (sort, headline) {
        (Sort::Name, _) => 0.0,
        (Sort::Energy, Some(headline)) => headline.energy(row.energy).0 as f64,
        (Sort::Power, Some(headline)) => {
            row.energy.iter().filter(|line| headline.has(line.zone)).map(|line| line.power.0).sum()
        }
        (Sort::Cpu, _) | (_, None) => row.cpu_time.0 as f64,
    }
}
