//! From totals to what was used between two moments.

use std::hash::Hash;
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::activity::{CgroupId, ConsumerId};
use crate::snapshot::{FunctionId, Generation, Snapshot, ZoneLine};
use crate::source::{SourceId, Zone};
use crate::units::{Microjoules, Nanoseconds};

use super::frame::{Frame, LINES, LineFrame, ZoneFrame, ZoneLabel, keep_visible};
use super::headline::Headline;
use super::level::Subject;

/// Pictures come once a second, give or take a window.
const SHORTEST: Nanoseconds = Nanoseconds(900_000_000);

/// The first picture after this window has all lines, though it does not count as one that an exporter has read.
pub(super) const ALL_LINES: Generation = Generation(0);

/// What came of a picture.
#[derive(Debug)]
pub(super) enum Taken {
    /// The headline's meter has told too little since the last frame.
    TooEarly,
    /// A frame without its number.
    Frame(Box<Frame>),
}

/// Where a picture leaves off, and what was used since the last frame.
#[derive(Debug)]
pub(super) struct Differences {
    headline: Headline,
    identity: Vec<(Zone, SourceId)>,
    labels: Vec<Arc<ZoneLabel>>,
    /// As of the last frame.
    zones: Vec<ZoneLine>,
    until: Nanoseconds,
    processes: Totals<ConsumerId>,
    cgroups: Totals<CgroupId>,
    functions: Totals<FunctionId>,
    /// Whose lines `processes` and `cgroups` mean.
    pictures: Vec<Arc<Snapshot>>,
    /// Functions have a line each for as long as the agent runs.
    function_names: FxHashMap<FunctionId, Arc<Subject>>,
}

impl Differences {
    /// Begins with a picture of [`ALL_LINES`]; `None` where there is no zone yet.
    pub(super) fn new(all: &Snapshot) -> Option<Self> {
        let headline = Headline::of(&all.zones)?;
        let mut begun = Self {
            identity: identity(all),
            labels: labels(all, &headline),
            zones: all.zones.clone(),
            until: headline.until(all),
            processes: Totals::default(),
            cgroups: Totals::default(),
            functions: Totals::default(),
            pictures: Vec::new(),
            function_names: FxHashMap::default(),
            headline,
        };
        begun.take_lines(all, 0);
        begun.processes.used.clear();
        begun.cgroups.used.clear();
        begun.functions.used.clear();
        Some(begun)
    }

    pub(super) fn headline(&self) -> &Headline {
        &self.headline
    }

    /// Whether the picture has other zones than those that this began with, so that it has to begin anew.
    pub(super) fn is_outdated_by(&self, picture: &Snapshot) -> bool {
        self.identity != identity(picture) || Headline::of(&picture.zones).as_ref() != Some(&self.headline)
    }

    /// Takes a picture of what has changed since the one before.
    pub(super) fn take(&mut self, picture: &Arc<Snapshot>) -> Taken {
        let index = self.pictures.len() as u32;
        self.pictures.push(Arc::clone(picture));
        self.take_lines(picture, index);
        let until = self.headline.until(picture);
        if until.saturating_sub(self.until) < SHORTEST {
            return Taken::TooEarly;
        }
        Taken::Frame(Box::new(self.frame(picture, until)))
    }

    /// Forgets the lines that are not in a picture of [`ALL_LINES`].
    pub(super) fn forget_all_but(&mut self, all: &Snapshot) {
        self.processes.keep(all.processes.iter().map(|line| line.consumer));
        self.cgroups.keep(all.cgroups.iter().map(|line| line.id));
    }

    fn take_lines(&mut self, picture: &Snapshot, index: u32) {
        let headline = &self.headline;
        for (number, line) in (0..).zip(&picture.processes) {
            self.processes.take(line.consumer, headline.energy(&line.energy), (index, number));
        }
        for (number, line) in (0..).zip(&picture.cgroups) {
            self.cgroups.take(line.id, headline.energy(&line.energy), (index, number));
        }
        for line in &picture.functions {
            self.function_names.entry(line.id).or_insert_with(|| Arc::new(Subject::of_function(line)));
            self.functions.take(line.id, headline.energy(&line.energy), (0, 0));
        }
    }

    fn frame(&mut self, picture: &Snapshot, until: Nanoseconds) -> Frame {
        let sum = |part: fn(&ZoneLine) -> Microjoules, lines: &mut dyn Iterator<Item = &ZoneLine>| {
            lines.map(part).sum::<Microjoules>()
        };
        let headline = |part: fn(&ZoneLine) -> Microjoules| {
            let before =
                self.zones.iter().enumerate().filter(|(zone, _)| self.headline.has(*zone)).map(|(_, line)| line);
            sum(part, &mut self.headline.lines(picture)).saturating_sub(sum(part, &mut { before }))
        };
        let consumers = headline(|zone| zone.active + zone.idle_shared);
        let mut frame = Frame {
            sequence: 0,
            generation: picture.generation.0,
            end: until,
            length: until.saturating_sub(self.until),
            zones: self.zone_frames(picture),
            consumers,
            idle: headline(|zone| zone.idle.saturating_sub(zone.idle_shared)),
            unattributed: headline(|zone| zone.unattributed),
            lines: [self.function_lines(consumers), self.container_lines(), self.cgroup_lines(), self.process_lines()],
        };
        frame.lines.iter_mut().for_each(|lines| keep_visible(lines, consumers));
        self.zones.clone_from(&picture.zones);
        self.until = until;
        self.processes.used.clear();
        self.cgroups.used.clear();
        self.pictures.clear();
        frame
    }

    fn zone_frames(&self, picture: &Snapshot) -> Vec<ZoneFrame> {
        let frame = |((label, before), now): ((&Arc<ZoneLabel>, &ZoneLine), &ZoneLine)| {
            let energy = now.measured.saturating_sub(before.measured);
            let length = now.until_unix.saturating_sub(before.until_unix);
            ZoneFrame { label: Arc::clone(label), energy, sigma: energy.0 as f64 * now.uncertainty.0, length }
        };
        self.labels.iter().zip(&self.zones).zip(&picture.zones).map(frame).collect()
    }

    fn process_lines(&self) -> Vec<LineFrame> {
        let largest = self.processes.largest();
        let line = |(energy, (picture, line)): (Microjoules, At)| LineFrame {
            subject: Arc::new(Subject::of_process(&self.pictures[picture as usize].processes[line as usize])),
            energy,
        };
        largest.into_iter().map(line).collect()
    }

    fn cgroup_lines(&self) -> Vec<LineFrame> {
        let largest = self.cgroups.largest();
        let line = |(energy, (picture, line)): (Microjoules, At)| LineFrame {
            subject: Arc::new(Subject::of_cgroup(&self.pictures[picture as usize].cgroups[line as usize])),
            energy,
        };
        largest.into_iter().map(line).collect()
    }

    fn container_lines(&self) -> Vec<LineFrame> {
        let mut containers: FxHashMap<&Arc<str>, (Microjoules, At)> = FxHashMap::default();
        for &(energy, at) in self.cgroups.used.values() {
            let line = &self.pictures[at.0 as usize].cgroups[at.1 as usize];
            if let Some(container) = &line.container {
                containers.entry(&container.id).or_insert((Microjoules::ZERO, at)).0 += energy;
            }
        }
        let line = |(energy, (picture, line)): (Microjoules, At)| {
            let subject = Subject::of_container(&self.pictures[picture as usize].cgroups[line as usize])?;
            Some(LineFrame { subject: Arc::new(subject), energy })
        };
        containers.into_values().filter_map(line).collect()
    }

    /// What a container used before its function was told comes to the function at once, which may be more than all have used
    /// since the last frame: what is beyond that comes with later frames.
    fn function_lines(&mut self, consumers: Microjoules) -> Vec<LineFrame> {
        let mut left = consumers;
        let mut lines = Vec::new();
        for (id, (used, _)) in &mut self.functions.used {
            let now = (*used).min(left);
            left -= now;
            *used -= now;
            if let Some(subject) = self.function_names.get(id).filter(|_| !now.is_zero()) {
                lines.push(LineFrame { subject: Arc::clone(subject), energy: now });
            }
        }
        self.functions.used.retain(|_, (used, _)| !used.is_zero());
        lines
    }
}

fn identity(picture: &Snapshot) -> Vec<(Zone, SourceId)> {
    picture.zones.iter().map(|line| (line.zone.clone(), line.source.clone())).collect()
}

fn labels(picture: &Snapshot, headline: &Headline) -> Vec<Arc<ZoneLabel>> {
    let label = |(index, line): (usize, &ZoneLine)| {
        Arc::new(ZoneLabel {
            zone: line.zone.clone(),
            source: line.source.clone(),
            provenance: line.provenance,
            headline: headline.has(index),
        })
    };
    picture.zones.iter().enumerate().map(label).collect()
}

/// Which line of which picture.
type At = (u32, u32);

/// The totals of a level's lines, and what they grew by since the last frame.
#[derive(Debug)]
struct Totals<Key> {
    totals: FxHashMap<Key, Microjoules>,
    used: FxHashMap<Key, (Microjoules, At)>,
}

impl<Key> Default for Totals<Key> {
    fn default() -> Self {
        Self { totals: FxHashMap::default(), used: FxHashMap::default() }
    }
}

impl<Key: Copy + Eq + Hash> Totals<Key> {
    /// A line that was not there before has begun at zero, and so has one that has less than before.
    fn take(&mut self, key: Key, total: Microjoules, at: At) {
        let before = self.totals.insert(key, total).unwrap_or_default();
        let grown = total.checked_sub(before).unwrap_or(total);
        if !grown.is_zero() {
            let used = self.used.entry(key).or_default();
            *used = (used.0 + grown, at);
        }
    }

    fn largest(&self) -> Vec<(Microjoules, At)> {
        let mut used: Vec<(Microjoules, At)> = self.used.values().copied().collect();
        if used.len() > LINES {
            used.select_nth_unstable_by_key(LINES - 1, |(energy, _)| std::cmp::Reverse(*energy));
            used.truncate(LINES);
        }
        used
    }

    fn keep(&mut self, present: impl Iterator<Item = Key>) {
        let present: FxHashSet<Key> = present.collect();
        self.totals.retain(|key, _| present.contains(key));
        if self.totals.capacity() > 4 * self.totals.len().max(64) {
            self.totals.shrink_to(2 * self.totals.len());
        }
    }
}
