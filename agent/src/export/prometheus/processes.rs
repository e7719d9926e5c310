//! Processes as Kepler's labels tell them apart: by pid and names, not by when they were started or in which cgroup
//! they are. Lines that would be one series are brought together here.

use std::cmp::Ordering;

use crate::snapshot::ProcessLine;
use crate::units::Nanoseconds;

/// Processes in an order in which those that share labels follow each other.
#[derive(Debug)]
pub(super) struct Processes<'a>(Vec<&'a ProcessLine>);

impl<'a> Processes<'a> {
    pub(super) fn of(lines: &'a [ProcessLine]) -> Self {
        let mut sorted: Vec<&ProcessLine> = lines.iter().collect();
        sorted.sort_by(|left, right| names(left, right).then_with(|| state(left).cmp(state(right))));
        Self(sorted)
    }

    /// The lines of each series whose labels include the state.
    pub(super) fn by_state(&self) -> impl Iterator<Item = Namesakes<'_, 'a>> {
        self.0.chunk_by(|left, right| names(left, right).is_eq() && state(left) == state(right)).map(Namesakes)
    }

    /// The lines of each series whose labels do not include the state.
    pub(super) fn by_name(&self) -> impl Iterator<Item = Namesakes<'_, 'a>> {
        self.0.chunk_by(|left, right| names(left, right).is_eq()).map(Namesakes)
    }
}

/// Lines with the same labels; there is at least one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Namesakes<'s, 'a>(&'s [&'a ProcessLine]);

impl<'s, 'a> Namesakes<'s, 'a> {
    /// A line to take the labels from.
    pub(super) fn first(self) -> &'a ProcessLine {
        self.0[0]
    }

    /// The lines of the process that was started last: one for each cgroup that it has been in.
    pub(super) fn latest(self) -> impl Iterator<Item = &'a ProcessLine> + 's {
        let start = self.latest_start();
        self.0.iter().copied().filter(move |line| line.consumer.start == start)
    }

    /// All lines: those of processes before the latest too, whose series ends with it.
    pub(super) fn all(self) -> impl Iterator<Item = &'a ProcessLine> + 's {
        self.0.iter().copied()
    }

    /// Whether there is more than one line, so that a part of them is not shown.
    pub(super) fn are_several(self) -> bool {
        self.0.len() > 1
    }

    /// The CPU time of the series: the largest of the latest process's lines, so that it does not fall when one of them
    /// goes into the line `other`.
    pub(super) fn cpu_time(self) -> Nanoseconds {
        self.latest().map(|line| line.cpu_time).max().unwrap_or_default()
    }

    fn latest_start(self) -> Nanoseconds {
        self.0.iter().map(|line| line.consumer.start).max().unwrap_or_default()
    }
}

fn names(left: &ProcessLine, right: &ProcessLine) -> Ordering {
    let container = |line: &ProcessLine| line.container.as_ref().map(|container| container.id.clone());
    (left.consumer.pid.cmp(&right.consumer.pid))
        .then_with(|| left.comm.cmp(&right.comm))
        .then_with(|| left.exe.cmp(&right.exe))
        .then_with(|| container(left).cmp(&container(right)))
}

fn state(line: &ProcessLine) -> &'static str {
    super::kepler::state(line.state)
}
