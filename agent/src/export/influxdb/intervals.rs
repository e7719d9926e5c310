//! What everybody used between two pictures of the books.

use std::collections::BTreeMap;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::activity::CgroupId;
use crate::clock::Timestamp;
use crate::export::powerapi::{Places, TAGS, Target};
use crate::snapshot::{EnergyLine, FunctionId, LineState, Snapshot, ZoneLine};
use crate::units::Microjoules;

use super::lines;

/// Takes pictures one after the other; the first must be whole.
#[derive(Debug)]
pub(super) struct Intervals {
    sensor: String,
    functions: bool,
    before: Option<Before>,
    /// What every line had used when it was last seen, by zone.
    lines: FxHashMap<Key, Vec<Microjoules>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Key {
    Cgroup(CgroupId),
    Function(FunctionId),
}

#[derive(Debug)]
struct Before {
    at: Timestamp,
    zones: Vec<ZoneTotals>,
}

#[derive(Clone, Copy, Debug, Default)]
struct ZoneTotals {
    measured: Microjoules,
    /// What consumers used, and the static part.
    explained: Microjoules,
    /// What consumers used.
    charged: Microjoules,
}

impl ZoneTotals {
    fn of(line: &ZoneLine) -> Self {
        Self { measured: line.measured, explained: line.active + line.idle, charged: line.active + line.idle_shared }
    }
}

/// What every target used in an interval, by its tags.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Interval {
    pub(super) from: Timestamp,
    pub(super) to: Timestamp,
    pub(super) used: BTreeMap<String, Used>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Used {
    pub(super) energy: Microjoules,
    /// Whether the target may still use more.
    pub(super) runs: bool,
}

impl Intervals {
    /// `sensor` is this node; `functions` says whether they are targets too.
    pub(super) fn new(sensor: &str, functions: bool) -> Self {
        Self { sensor: sensor.to_owned(), functions, before: None, lines: FxHashMap::default() }
    }

    /// What was used since the picture before this one; nothing is known after the first.
    pub(super) fn next(&mut self, snapshot: &Snapshot) -> Option<Interval> {
        let places = Places::of(snapshot);
        let mut used = Usage { sensor: &self.sensor, places: &places, by_tags: BTreeMap::new() };
        let mut left: Vec<Microjoules> = vec![Microjoules::ZERO; snapshot.zones.len()];
        let zones: Vec<_> = snapshot.zones.iter().map(ZoneTotals::of).collect();
        let before = self.before.replace(Before { at: snapshot.at, zones: zones.clone() });
        for (zone, now) in zones.iter().enumerate() {
            let then = before.as_ref().and_then(|before| before.zones.get(zone).copied()).unwrap_or_default();
            let measured = now.measured.saturating_sub(then.measured);
            used.add(&Target::measured(&snapshot.zones[zone]), zone, measured, true);
            used.add(&Target::global(), zone, now.explained.saturating_sub(then.explained), true);
            left[zone] = now.charged.saturating_sub(then.charged);
        }
        for line in &snapshot.cgroups {
            let runs = line.state == LineState::Running;
            for (zone, energy) in grown(&mut self.lines, Key::Cgroup(line.id), &line.energy) {
                used.add(&Target::of_cgroup(line), zone, energy, runs);
                left[zone] = left[zone].saturating_sub(energy);
            }
        }
        for (zone, energy) in left.into_iter().enumerate() {
            used.add(&Target::other(), zone, energy, true);
        }
        for line in snapshot.functions.iter().filter(|_| self.functions) {
            for (zone, energy) in grown(&mut self.lines, Key::Function(line.id), &line.energy) {
                used.add(&Target::of_function(line), zone, energy, true);
            }
        }
        let by_tags = used.by_tags;
        if snapshot.since.is_none() {
            self.forget_others_than(snapshot);
        }
        Some(Interval { from: before?.at, to: snapshot.at, used: by_tags })
    }

    fn forget_others_than(&mut self, whole: &Snapshot) {
        let cgroups = whole.cgroups.iter().map(|line| Key::Cgroup(line.id));
        let present: FxHashSet<Key> =
            cgroups.chain(whole.functions.iter().map(|line| Key::Function(line.id))).collect();
        self.lines.retain(|key, _| present.contains(key));
    }
}

/// By how much a line has grown, by zone. One that has fallen has been gone meanwhile and begun anew.
fn grown(
    known: &mut FxHashMap<Key, Vec<Microjoules>>,
    key: Key,
    energy: &[EnergyLine],
) -> impl Iterator<Item = (usize, Microjoules)> {
    let totals = known.entry(key).or_default();
    energy.iter().map(move |part| {
        if totals.len() <= part.zone {
            totals.resize(part.zone + 1, Microjoules::ZERO);
        }
        let now = part.active + part.idle;
        let then = std::mem::replace(&mut totals[part.zone], now);
        (part.zone, now.checked_sub(then).unwrap_or(now))
    })
}

/// What is being added up.
struct Usage<'a> {
    sensor: &'a str,
    places: &'a Places,
    by_tags: BTreeMap<String, Used>,
}

impl Usage<'_> {
    /// Targets that would be one series are one.
    fn add(&mut self, target: &Target<'_>, zone: usize, energy: Microjoules, runs: bool) {
        let Some(place) = self.places.get(zone) else { return };
        let tags = lines::tags(TAGS.into_iter().zip(target.values(self.sensor, place)));
        let used = self.by_tags.entry(tags).or_default();
        used.energy += energy;
        used.runs |= runs;
    }
}
