//! The level of functions: what all containers of a function, past and present, have used.
//!
//! A cgroup's energy goes to the function that its container ran at the time. Which one that is may be told later than
//! the energy comes: until then it is *pending*, and moves to the function when it is told. What is in no function goes to
//! the line `other`, so that functions, `other` and pending are the whole.

use std::collections::VecDeque;
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};
use smallvec::SmallVec;

use crate::activity::CgroupId;
use crate::clock::Timestamp;
use crate::identity::{Container, FunctionId, Names, Timeline};
use crate::units::{Microjoules, Nanoseconds};

use super::level::{Level, Limits, Resumed};
use super::line::{LineRef, Moment};
use super::usage::{Period, Usage};

/// How many removed cgroups are remembered for energy that comes late: those of half a minute at 500 a second.
const REMEMBER_REMOVED: usize = 16_384;

/// How many cgroups may have energy pending. Beyond that the oldest are given up.
const MOST_PENDING: usize = 16_384;

/// How long after a cgroup was removed its function may still be told.
const NAMED_WITHIN: Nanoseconds = Nanoseconds(300 * Nanoseconds::SECOND.0);

/// How often pending energy is looked at where nothing was told.
const LOOK_EVERY: Nanoseconds = Nanoseconds::SECOND;

/// The books of functions.
#[derive(Debug)]
pub(crate) struct FunctionBook {
    level: Level<FunctionId, ()>,
    bindings: FxHashMap<CgroupId, Binding>,
    removed: VecDeque<CgroupId>,
    /// Cgroups with pending energy, the oldest first. Entries whose energy has found its place are skipped.
    pending: VecDeque<CgroupId>,
    /// All energy that is pending, by zone.
    charged_pending: Vec<Microjoules>,
    version: u64,
    looked: Timestamp,
}

/// What is known of a cgroup.
#[derive(Debug, Default)]
struct Binding {
    /// The container that it is or lies in, once the cgroup's path is known.
    container: Option<Arc<Container>>,
    /// Empty until it is known whether there is a function, and which.
    timeline: Timeline,
    /// Up to which version of what was told `timeline` is.
    version: Option<u64>,
    removed: Option<Timestamp>,
    pending: Option<Box<Pending>>,
}

#[derive(Debug)]
struct Pending {
    since: Timestamp,
    usage: Usage,
}

/// Energy of one zone that is to be added to the books.
#[derive(Clone, Copy)]
pub(super) struct Charge {
    pub(super) zone: usize,
    pub(super) active: Microjoules,
    pub(super) idle: Microjoules,
    pub(super) period: Period,
}

impl FunctionBook {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            level: Level::new(limits),
            bindings: FxHashMap::default(),
            removed: VecDeque::new(),
            pending: VecDeque::new(),
            charged_pending: Vec::new(),
            version: 0,
            looked: Timestamp::default(),
        }
    }

    pub(super) fn set_limits(&mut self, limits: Limits) {
        self.level.limits = limits;
    }

    /// A window begins.
    pub(super) fn begin_window(&mut self) {
        self.level.begin_window();
    }

    /// The functions that have a line, and `other`, which holds what is in no function.
    pub(crate) fn level(&self) -> &Level<FunctionId, ()> {
        &self.level
    }

    /// What waits for its function to be told.
    pub(crate) fn pending(&self, periods: &[Period]) -> Usage {
        let mut sum = Usage::default();
        for pending in self.bindings.values().filter_map(|binding| binding.pending.as_deref()) {
            sum.take(&mut pending.usage.clone(), periods);
        }
        sum
    }

    /// What waits for each cgroup's function to be told, and since when.
    pub(super) fn all_pending(&self) -> impl Iterator<Item = (CgroupId, Timestamp, &Usage)> {
        self.bindings.iter().filter_map(|(cgroup, binding)| {
            let pending = binding.pending.as_deref()?;
            Some((*cgroup, pending.since, &pending.usage))
        })
    }

    /// Begins with what an earlier agent has counted.
    pub(super) fn resume(
        &mut self,
        level: Resumed<FunctionId, ()>,
        pending: Vec<(CgroupId, Timestamp, Usage)>,
        moment: Moment,
        periods: &[Period],
    ) {
        self.level.resume(level, moment, periods);
        self.charged_pending = vec![Microjoules::ZERO; periods.len()];
        for (cgroup, since, mut usage) in pending {
            for (sum, zone) in self.charged_pending.iter_mut().zip(usage.zones()) {
                *sum += zone.active + zone.idle;
            }
            self.hold_back(cgroup, since).take(&mut usage, periods);
        }
    }

    /// All that was ever charged in a zone, pending or not.
    pub(super) fn charged(&self, zone: usize) -> Microjoules {
        self.level.charged(zone) + self.charged_pending.get(zone).copied().unwrap_or_default()
    }

    /// In how many containers each function runs now.
    pub(crate) fn containers(&self) -> FxHashMap<FunctionId, usize> {
        let mut containers: FxHashMap<FunctionId, FxHashSet<&str>> = FxHashMap::default();
        for binding in self.bindings.values().filter(|binding| binding.removed.is_none()) {
            if let (Some(Some(function)), Some(container)) = (binding.timeline.now(), &binding.container) {
                containers.entry(function).or_default().insert(&container.id);
            }
        }
        containers.into_iter().map(|(function, containers)| (function, containers.len())).collect()
    }

    /// Adds CPU time that was used between two instants.
    pub(super) fn record(
        &mut self,
        cgroup: CgroupId,
        cpu_time: Nanoseconds,
        (from, to): (Timestamp, Timestamp),
        names: &Names,
        moment: Moment,
    ) {
        let parts = self.refresh(cgroup, names).timeline.over(from, to);
        if parts.is_empty() {
            self.hold_back(cgroup, from).cpu_time += cpu_time;
            return;
        }
        for (function, part) in split(cpu_time.0, &parts) {
            match function {
                Some(function) => drop(self.level.record(function, Nanoseconds(part), true, moment, || ())),
                None => self.level.record_other(Nanoseconds(part)),
            }
        }
    }

    /// Adds energy that was used between two instants.
    pub(super) fn charge(
        &mut self,
        cgroup: CgroupId,
        charge: Charge,
        (from, to): (Timestamp, Timestamp),
        names: &Names,
        moment: Moment,
    ) {
        let parts = self.refresh(cgroup, names).timeline.over(from, to);
        if parts.is_empty() {
            let Charge { zone, active, idle, period } = charge;
            self.hold_back(cgroup, from).charge(zone, active, idle, period);
            if self.charged_pending.len() <= zone {
                self.charged_pending.resize(zone + 1, Microjoules::ZERO);
            }
            self.charged_pending[zone] += active + idle;
            return;
        }
        for ((function, active), (_, idle)) in split(charge.active.0, &parts).zip(split(charge.idle.0, &parts)) {
            let line = function.and_then(|function| self.line(function, moment));
            let energy = (Microjoules(active), Microjoules(idle));
            self.level.charge(line, charge.zone, energy, charge.period, moment);
        }
    }

    /// A cgroup was removed. It is remembered for energy that comes late.
    pub(super) fn remove(&mut self, cgroup: CgroupId, moment: Moment, periods: &[Period]) {
        let Some(binding) = self.bindings.get_mut(&cgroup) else { return };
        if binding.removed.replace(moment.at).is_none() {
            self.removed.push_back(cgroup);
        }
        while self.removed.len() > REMEMBER_REMOVED {
            let Some(oldest) = self.removed.pop_front() else { return };
            if self.bindings.get(&oldest).is_some_and(|binding| binding.removed.is_some()) {
                self.move_pending(oldest, None, moment, periods);
                self.bindings.remove(&oldest);
            }
        }
    }

    /// Moves what was pending to the functions that have been told since, and gives up what waited for too long.
    pub(super) fn settle(&mut self, names: &Names, moment: Moment, periods: &[Period]) {
        let version = names.workloads().version();
        if self.pending.is_empty() || (version == self.version && moment.at.since(self.looked) < LOOK_EVERY) {
            return;
        }
        self.version = version;
        self.looked = moment.at;
        for _ in 0..self.pending.len() {
            let Some(cgroup) = self.pending.pop_front() else { break };
            let too_many = self.pending.len() >= MOST_PENDING;
            let binding = self.refresh(cgroup, names);
            let Some(since) = binding.pending.as_ref().map(|pending| pending.since) else { continue };
            let too_late = binding.removed.is_some_and(|removed| moment.at.since(removed) >= NAMED_WITHIN);
            match binding.timeline.at(since) {
                Some(function) => self.move_pending(cgroup, function, moment, periods),
                None if too_late || too_many => self.move_pending(cgroup, None, moment, periods),
                None => self.pending.push_back(cgroup),
            }
        }
    }

    /// What is known of a cgroup, brought up to date.
    fn refresh(&mut self, cgroup: CgroupId, names: &Names) -> &mut Binding {
        let version = names.workloads().version();
        let binding = self.bindings.entry(cgroup).or_default();
        if binding.version == Some(version) {
            return binding;
        }
        if binding.container.is_none() {
            let Some(name) = names.cgroup(cgroup) else { return binding };
            binding.container.clone_from(&name.container);
            if name.container.is_none() {
                binding.timeline.tell(Timestamp::default(), None);
            }
        }
        if let Some(timeline) = binding.container.as_deref().and_then(|within| names.workloads().timeline(within)) {
            binding.timeline = timeline.clone();
        }
        binding.version = Some(version);
        binding
    }

    /// What is pending of a cgroup, to be added to.
    fn hold_back(&mut self, cgroup: CgroupId, since: Timestamp) -> &mut Usage {
        let binding = self.bindings.entry(cgroup).or_default();
        let pending = binding.pending.get_or_insert_with(|| {
            self.pending.push_back(cgroup);
            Box::new(Pending { since, usage: Usage::default() })
        });
        &mut pending.usage
    }

    /// A function's line, a new one if it has none and there is room.
    fn line(&mut self, function: FunctionId, moment: Moment) -> Option<LineRef> {
        let known = self.level.find(&function);
        known.or_else(|| self.level.record(function, Nanoseconds::ZERO, true, moment, || ()).line)
    }

    fn move_pending(&mut self, cgroup: CgroupId, function: Option<FunctionId>, moment: Moment, periods: &[Period]) {
        let Some(mut pending) = self.bindings.get_mut(&cgroup).and_then(|binding| binding.pending.take()) else {
            return;
        };
        let line = function.and_then(|function| self.line(function, moment));
        for (sum, zone) in self.charged_pending.iter_mut().zip(pending.usage.zones()) {
            *sum = *sum - zone.active - zone.idle;
        }
        self.level.absorb(line, &mut pending.usage, moment, periods);
    }
}

/// Divides a whole number in proportion to the parts' lengths; the sum is exact.
fn split(
    whole: u64,
    parts: &SmallVec<[(Option<FunctionId>, Nanoseconds); 1]>,
) -> impl Iterator<Item = (Option<FunctionId>, u64)> {
    let length: u128 = parts.iter().map(|(_, length)| u128::from(length.0)).sum();
    let (mut passed, mut given) = (0_u128, 0_u64);
    let last = parts.len() - 1;
    parts.iter().enumerate().map(move |(index, &(function, part))| {
        passed += u128::from(part.0);
        let until = if index == last { whole } else { (u128::from(whole) * passed / length.max(1)) as u64 };
        (function, until - std::mem::replace(&mut given, until))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_split_is_in_proportion_and_exact() {
        let parts =
            [(Some(FunctionId(1)), Nanoseconds(1)), (None, Nanoseconds(1)), (Some(FunctionId(2)), Nanoseconds(1))];
        let split_of = |whole| split(whole, &parts.iter().copied().collect()).collect::<Vec<_>>();
        assert_eq!(split_of(10), [(Some(FunctionId(1)), 3), (None, 3), (Some(FunctionId(2)), 4)]);
        let timeless = [(None, Nanoseconds(0))].into_iter().collect();
        assert_eq!(split(7, &timeless).collect::<Vec<_>>(), [(None, 7)]);
        assert_eq!(split_of(u64::MAX).iter().map(|(_, part)| u128::from(*part)).sum::<u128>(), u128::from(u64::MAX));
    }
}
