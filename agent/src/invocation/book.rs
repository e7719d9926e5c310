//! The books of invocations.
//!
//! Energy becomes known per consumer and window. It is held for a while, so that invocations which are reported late are
//! known when it is settled; then each consumer's energy is divided among the invocations that it worked for and the rest,
//! in whole microjoules. So what a function used is its invocations, its cold starts and what kept it warm.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::activity::{ActivityWindow, CgroupId, ConsumerId, Lifecycle};
use crate::apportion::largest_remainder;
use crate::attribute::Attribution;
use crate::clock::{Timestamp, WallAnchor};
use crate::fuse::Doubt;
use crate::identity::{Container, Function, FunctionId, Names, Timeline};
use crate::source::{Provenance, Zone};
use crate::units::{Microjoules, Nanoseconds};

use super::claims::{Claim, Claimant, claims};
use super::finished::{Finished, ZoneEnergy};
use super::histogram::{Exemplar, Histogram};
use super::history::History;
use super::observed::{By, Observed, Place, Taken};
use super::processes::{Processes, Tree};
use super::refusal::Refusal;
use super::reporter_clocks::ReporterClocks;
use super::totals::{FunctionTotals, Phase, Phases};

/// How far ahead of now an invocation may end: clocks differ.
const AHEAD: Nanoseconds = Nanoseconds::SECOND;
/// The longest invocation that is taken for one.
const LONGEST: Nanoseconds = Nanoseconds(24 * 3_600 * Nanoseconds::SECOND.0);
/// How many invocations may wait to be settled.
const MOST_WAITING: usize = 65_536;
/// How long an invocation waits at most for the energy of a slow or silent meter.
const MOST_PATIENCE: Nanoseconds = Nanoseconds(30 * Nanoseconds::SECOND.0);
/// How long after its start a container without any invocation is still starting.
const COLD_FOR: Nanoseconds = Nanoseconds(60 * Nanoseconds::SECOND.0);
/// How long the energy of a container whose function is not told is kept for it.
const NAMED_WITHIN: Nanoseconds = Nanoseconds(300 * Nanoseconds::SECOND.0);

/// How the books are kept.
#[derive(Clone, Debug, Default)]
pub struct BookOptions {
    /// Command names of servers that start a process for every request.
    pub fork_servers: Vec<String>,
    /// How far back the history of activity goes.
    pub history: Nanoseconds,
    /// How late an invocation may be reported.
    pub lateness: Nanoseconds,
    /// When the agent began: containers that are older are warm.
    pub began: Timestamp,
    /// How much later the boot clock is than the monotonic one.
    pub suspended: Nanoseconds,
}

/// Invocations, and what functions use their energy for.
#[derive(Debug)]
pub struct InvocationBook {
    options: BookOptions,
    history: History,
    processes: Processes,
    waiting: Vec<Waiting>,
    reporter_clocks: ReporterClocks,
    records: VecDeque<Record>,
    containers: FxHashMap<Arc<str>, Life>,
    unnamed: FxHashMap<Arc<str>, Unnamed>,
    pub(super) totals: BTreeMap<FunctionId, FunctionTotals>,
    /// Functions whose totals have changed since they were written down.
    pub(super) changed: BTreeSet<FunctionId>,
    pub(super) zones: Vec<(Zone, Provenance)>,
    /// Up to when each zone's energy is settled.
    settled: Vec<Timestamp>,
}

/// An invocation whose energy is not settled yet.
#[derive(Debug)]
struct Waiting {
    observed: Observed,
    function: Option<FunctionId>,
    container: Option<Arc<str>>,
    /// CPU time in nanoseconds, as found with each zone: zones of sockets on which it did not run have none.
    cpu_times: Vec<f64>,
    energy: Vec<Microjoules>,
    /// The part of it that is shared-out static energy.
    idle: Vec<Microjoules>,
    /// By zone, in microjoules: errors that all windows have alike, and squares of those that each has of its own.
    systematic: Vec<f64>,
    variance: Vec<f64>,
}

/// Energy of one zone in one window.
#[derive(Debug)]
struct Record {
    zone: usize,
    from: Timestamp,
    to: Timestamp,
    charged: Vec<Charged>,
}

#[derive(Debug)]
struct Charged {
    consumer: ConsumerId,
    container: Arc<Container>,
    active: Microjoules,
    idle: Microjoules,
    doubt: Doubt,
}

/// A container.
#[derive(Debug)]
struct Life {
    cgroup: CgroupId,
    since: Timestamp,
    /// When its first invocation began, as far as is known.
    first: Option<Timestamp>,
    /// Whether its start is still to be counted.
    uncounted: bool,
    removed: bool,
    seen: Timestamp,
}

/// What a container used whose function has not been told.
#[derive(Debug)]
struct Unnamed {
    container: Arc<Container>,
    since: Timestamp,
    phases: Phases,
}

impl InvocationBook {
    /// Empty books.
    pub fn new(options: BookOptions) -> Self {
        Self {
            history: History::new(options.history),
            processes: Processes::new(&options.fork_servers, options.suspended),
            waiting: Vec::new(),
            reporter_clocks: ReporterClocks::default(),
            records: VecDeque::new(),
            containers: FxHashMap::default(),
            unnamed: FxHashMap::default(),
            totals: BTreeMap::new(),
            changed: BTreeSet::new(),
            zones: Vec::new(),
            settled: Vec::new(),
            options,
        }
    }

    /// How much later the boot clock is than the monotonic one from now on.
    pub fn set_suspended(&mut self, suspended: Nanoseconds) {
        self.processes.set_suspended(suspended);
    }

    /// The invocations of each function.
    pub fn totals(&self) -> impl Iterator<Item = (FunctionId, &FunctionTotals)> {
        self.totals.iter().map(|(function, totals)| (*function, totals))
    }

    /// The totals of a function, to be changed.
    pub(super) fn totals_of(&mut self, function: FunctionId) -> &mut FunctionTotals {
        self.changed.insert(function);
        self.totals.entry(function).or_default()
    }

    /// Takes in an invocation that somebody has seen.
    ///
    /// # Errors
    /// When it cannot be one, or comes too late.
    pub fn observe(&mut self, observed: Observed, now: Timestamp) -> Result<Taken, Refusal> {
        if observed.end < observed.start || observed.end.since(observed.start) > LONGEST {
            return Err(Refusal::Impossible);
        }
        if observed.end > now + AHEAD {
            return Err(Refusal::InTheFuture);
        }
        if now.since(observed.end) > self.options.lateness {
            return Err(Refusal::TooLate);
        }
        if self.waiting.len() >= MOST_WAITING {
            return Err(Refusal::TooMany);
        }
        let offset = self.reporter_clocks.reported(&observed, now);
        self.waiting.push(Waiting {
            observed,
            function: None,
            container: None,
            cpu_times: Vec::new(),
            energy: Vec::new(),
            idle: Vec::new(),
            systematic: Vec::new(),
            variance: Vec::new(),
        });
        Ok(Taken { offset })
    }

    /// Takes in what happened in a window and who ran in it, tick by tick. `names` know of it already.
    pub fn record(&mut self, ticks: &[ActivityWindow], events: &[Lifecycle], names: &Names) {
        let Some(now) = ticks.last().map(|tick| tick.to) else { return };
        for event in events {
            match event {
                Lifecycle::Named { consumer, parent, comm, .. } => {
                    let Some(container) = container_of(consumer, names) else { continue };
                    let started = self.processes.started(consumer.start);
                    let life = self.containers.entry(Arc::clone(&container.id)).or_insert_with(|| Life {
                        cgroup: names.cgroup_of(consumer),
                        since: started,
                        first: None,
                        uncounted: started >= self.options.began,
                        removed: false,
                        seen: started,
                    });
                    if let Some(first) = self.processes.named(*consumer, *parent, *comm, &container.id) {
                        life.first = Some(life.first.map_or(first, |known| known.min(first)));
                    }
                }
                Lifecycle::Exit { at, pid, start } => self.processes.exited(*pid, *start, *at),
                Lifecycle::Ended { consumer } => self.processes.ended(*consumer, now),
                Lifecycle::Exec { .. } | Lifecycle::CgroupMade { .. } | Lifecycle::CgroupRemoved { .. } => {}
            }
        }
        for tick in ticks {
            for slice in &tick.slices {
                if let Some(tree) = self.processes.tree_mut(&slice.consumer) {
                    tree.cpu_time += slice.cpu_time;
                }
            }
            self.history.add(tick, |consumer| container_of(consumer, names).is_some());
        }
    }

    /// Takes in a zone's energy over a window. `zone` is its index in the ledger; zones come in that order.
    pub fn charge(&mut self, zone: usize, attribution: &Attribution, names: &Names) {
        if zone == self.zones.len() {
            self.zones.push((attribution.zone.clone(), attribution.provenance));
        }
        self.zones[zone].1 = self.zones[zone].1.max(attribution.provenance);
        let charged = attribution.shares.iter().filter_map(|share| {
            let container = Arc::clone(container_of(&share.consumer, names)?);
            let doubt = attribution.doubt(share);
            Some(Charged { consumer: share.consumer, container, active: share.active, idle: share.idle, doubt })
        });
        let record = Record { zone, from: attribution.from, to: attribution.to, charged: charged.collect() };
        self.records.push_back(record);
    }

    /// Settles what has waited for long enough, and gives the invocations whose energy is known now.
    pub fn settle(&mut self, now: Timestamp, names: &Names, anchor: WallAnchor) -> Vec<Finished> {
        self.reporter_clocks.look(now, &self.history, |place| consumers_in(place, &self.records, names));
        let lateness = self.options.lateness;
        let is_due = |record: &Record| now.since(record.to) >= lateness;
        let (due, held): (VecDeque<Record>, VecDeque<Record>) = self.records.drain(..).partition(is_due);
        self.records = held;
        for record in due {
            self.settle_record(&record, names);
        }
        self.name_the_unnamed(now, names);
        let mut finished = self.finish_processes(now, names, anchor);
        finished.extend(self.finish_observed(now, names, anchor));
        self.forget_containers(now, names);
        finished
    }

    fn settle_record(&mut self, record: &Record, names: &Names) {
        let overlapping: Vec<usize> = (0..self.waiting.len())
            .filter(|&index| {
                let Observed { start, end, .. } = self.waiting[index].observed;
                start < record.to && end > record.from
            })
            .collect();
        for charged in &record.charged {
            if let Some(tree) = self.processes.tree_mut(&charged.consumer) {
                add(&mut tree.energy, record.zone, charged.energy());
                add(&mut tree.idle, record.zone, charged.idle);
                add_to(&mut tree.systematic, record.zone, charged.doubt.systematic.sqrt());
                add_to(&mut tree.variance, record.zone, charged.doubt.random);
            } else {
                self.settle_charge(record, charged, &overlapping, names);
            }
        }
        if self.settled.len() <= record.zone {
            self.settled.resize(record.zone + 1, Timestamp::default());
        }
        self.settled[record.zone] = self.settled[record.zone].max(record.to);
    }

    fn settle_charge(&mut self, record: &Record, charged: &Charged, overlapping: &[usize], names: &Names) {
        let timeline = names.workloads().timeline(&charged.container);
        let function = timeline.and_then(|timeline| timeline.at(record.to)).flatten();
        let theirs: Vec<usize> = overlapping
            .iter()
            .copied()
            .filter(|&index| is_place_of(&self.waiting[index].observed.place, charged, function, names))
            .collect();
        let claimants: Vec<Claimant> = theirs
            .iter()
            .map(|&index| {
                let Observed { start, end, on_cpu, .. } = self.waiting[index].observed;
                Claimant { start, end, on_cpu }
            })
            .collect();
        let ticks = self.history.within(record.from, record.to);
        let (whole, claims) = claims(&charged.consumer, ticks, &claimants);
        let (active, resting) = divide(charged.active, whole, &claims);
        let (idle, resting_idle) = divide(charged.idle, whole, &claims);
        for ((&index, claim), (active, idle)) in theirs.iter().zip(&claims).zip(active.into_iter().zip(idle)) {
            let waiting = &mut self.waiting[index];
            waiting.container.get_or_insert_with(|| Arc::clone(&charged.container.id));
            waiting.function = waiting.function.or(function);
            add_to(&mut waiting.cpu_times, record.zone, claim.cpu_time);
            add(&mut waiting.energy, record.zone, active + idle);
            add(&mut waiting.idle, record.zone, idle);
            let part = (active + idle).0 as f64 / charged.energy().0.max(1) as f64;
            add_to(&mut waiting.systematic, record.zone, charged.doubt.systematic.sqrt() * part);
            let unsure = if whole > 0.0 { charged.energy().0 as f64 * claim.unsure / whole } else { 0.0 };
            add_to(&mut waiting.variance, record.zone, charged.doubt.random * part * part + unsure * unsure);
        }
        let first = claimants.iter().map(|claimant| claimant.start).min();
        let phase = self.resting_phase(&charged.container, record.from, first);
        let mut phases = Phases::default();
        let rest = resting + resting_idle;
        phases.add(Phase::Invocation, record.zone, charged.energy() - rest);
        phases.add(phase, record.zone, rest);
        self.book(charged, record, timeline, &phases);
    }

    /// Whether a container that serves nobody is still starting or kept warm. `first` is an invocation in it.
    fn resting_phase(&mut self, container: &Container, from: Timestamp, first: Option<Timestamp>) -> Phase {
        let Some(life) = self.containers.get_mut(&container.id) else { return Phase::KeepWarm };
        life.seen = life.seen.max(from);
        life.first = life.first.into_iter().chain(first).min();
        let started = life.since + COLD_FOR;
        let served = life.first.map_or(started, |first| first.min(started));
        if life.since >= self.options.began && from < served { Phase::ColdStart } else { Phase::KeepWarm }
    }

    fn book(&mut self, charged: &Charged, record: &Record, timeline: Option<&Timeline>, phases: &Phases) {
        let Some(timeline) = timeline.filter(|timeline| timeline.is_known()) else {
            let unnamed = self.unnamed.entry(Arc::clone(&charged.container.id)).or_insert_with(|| Unnamed {
                container: Arc::clone(&charged.container),
                since: record.from,
                phases: Phases::default(),
            });
            unnamed.phases.take(phases);
            return;
        };
        let parts = timeline.over(record.from, record.to);
        let length: f64 = parts.iter().map(|(_, part)| part.0 as f64).sum();
        for phase in Phase::ALL {
            let energy = phases.get(phase, record.zone);
            let quotas: Vec<f64> = parts
                .iter()
                .map(|(_, part)| if length > 0.0 { energy.0 as f64 * (part.0 as f64 / length) } else { 0.0 })
                .collect();
            for ((function, _), part) in parts.iter().zip(largest_remainder(&quotas, energy)) {
                if let Some(function) = function {
                    self.totals_of(*function).phases.add(phase, record.zone, part);
                }
            }
        }
        if let Some(Some(function)) = timeline.at(record.from) {
            self.count_start(&charged.container.id, function);
        }
    }

    fn count_start(&mut self, container: &str, function: FunctionId) {
        if let Some(life) = self.containers.get_mut(container)
            && std::mem::take(&mut life.uncounted)
        {
            self.totals_of(function).cold_starts += 1;
        }
    }

    fn name_the_unnamed(&mut self, now: Timestamp, names: &Names) {
        let mut moved = Vec::new();
        self.unnamed.retain(|_, unnamed| {
            let timeline = names.workloads().timeline(&unnamed.container);
            match timeline.and_then(|timeline| timeline.at(unnamed.since)) {
                Some(function) => {
                    moved.extend(function.map(|function| {
                        (function, Arc::clone(&unnamed.container.id), std::mem::take(&mut unnamed.phases))
                    }));
                    false
                }
                None => now.since(unnamed.since) < NAMED_WITHIN,
            }
        });
        for (function, container, phases) in moved {
            self.totals_of(function).phases.take(&phases);
            self.count_start(&container, function);
        }
    }

    fn is_settled(settled: &[Timestamp], end: Timestamp, now: Timestamp, lateness: Nanoseconds) -> bool {
        let waited = now.since(end);
        waited >= lateness && (settled.iter().all(|until| *until >= end) || waited >= lateness + MOST_PATIENCE)
    }

    fn finish_processes(&mut self, now: Timestamp, names: &Names, anchor: WallAnchor) -> Vec<Finished> {
        let (settled, lateness) = (&self.settled, self.options.lateness);
        let is_complete = |tree: &Tree| Self::is_settled(settled, tree.closed, now, lateness);
        let mut finished = Vec::new();
        for tree in self.processes.take(now, is_complete) {
            let container = Container {
                id: Arc::clone(&tree.container),
                runtime: "",
                pod_uid: self.pod_of(&tree.container, names),
            };
            let Some(function) = names.workloads().function_of(&container, tree.start) else { continue };
            let Some(described) = names.workloads().function(function) else { continue };
            let phase = if tree.end.is_some() { Phase::Invocation } else { Phase::KeepWarm };
            let phases = &mut self.totals_of(function).phases;
            for (zone, energy) in tree.energy.iter().enumerate() {
                phases.add(phase, zone, *energy);
            }
            self.count_start(&tree.container, function);
            let Some(end) = tree.end else { continue };
            let sigmas = sigmas(&tree.systematic, &tree.variance);
            let invocation = Finished {
                id: format!("{}-{}", tree.root.0, tree.root.1.0).into(),
                by: By::Process,
                function: Arc::clone(described),
                container: Some(tree.container),
                start: tree.start,
                end,
                cpu_time: tree.cpu_time,
                energy: zone_energies(&self.zones, &tree.energy, &tree.idle, sigmas),
            };
            self.count(function, &invocation, anchor);
            finished.push(invocation);
        }
        finished
    }

    fn finish_observed(&mut self, now: Timestamp, names: &Names, anchor: WallAnchor) -> Vec<Finished> {
        let (settled, lateness) = (&self.settled, self.options.lateness);
        let is_done = |waiting: &mut Waiting| Self::is_settled(settled, waiting.observed.end, now, lateness);
        let done: Vec<Waiting> = self.waiting.extract_if(.., is_done).collect();
        let mut finished = Vec::new();
        for waiting in done {
            let function = waiting.function.or_else(|| function_at(&waiting.observed, names));
            let Some((function, described)) =
                function.and_then(|function| Some((function, names.workloads().function(function)?)))
            else {
                Refusal::NoFunction.count();
                continue;
            };
            let invocation = waiting.finish(described, &self.zones);
            self.count(function, &invocation, anchor);
            finished.push(invocation);
        }
        finished
    }

    fn count(&mut self, function: FunctionId, invocation: &Finished, anchor: WallAnchor) {
        let totals = self.totals_of(function);
        totals.counts[invocation.by as usize] += 1;
        let exemplar = |value| Exemplar { id: Arc::clone(&invocation.id), value, at_unix: anchor.unix(invocation.end) };
        let length = invocation.end.since(invocation.start);
        totals.seconds.add(length.0, exemplar(length.0 as f64 / 1e9));
        if totals.joules.len() < invocation.energy.len() {
            totals.joules.resize(invocation.energy.len(), Histogram::default());
        }
        for (zone, used) in invocation.energy.iter().enumerate() {
            let sockets = invocation.energy.iter().filter(|other| other.zone.name == used.zone.name);
            let is_first = invocation.energy[..zone].iter().all(|before| before.zone.name != used.zone.name);
            if is_first {
                let energy: Microjoules = sockets.map(|socket| socket.energy).sum();
                totals.joules[zone].add(energy.0, exemplar(energy.joules()));
            }
        }
    }

    fn pod_of(&self, container: &str, names: &Names) -> Option<Arc<str>> {
        let life = self.containers.get(container)?;
        names.cgroup(life.cgroup)?.container.as_ref()?.pod_uid.clone()
    }

    fn forget_containers(&mut self, now: Timestamp, names: &Names) {
        self.containers.retain(|_, life| {
            life.removed |= names.is_removed(life.cgroup) || names.cgroup(life.cgroup).is_none();
            !life.removed || now.since(life.seen) < NAMED_WITHIN
        });
    }
}

impl Charged {
    fn energy(&self) -> Microjoules {
        self.active + self.idle
    }
}

impl Waiting {
    fn finish(self, function: &Arc<Function>, zones: &[(Zone, Provenance)]) -> Finished {
        let sigmas = sigmas(&self.systematic, &self.variance);
        Finished {
            id: self.observed.id,
            by: self.observed.by,
            function: Arc::clone(function),
            container: self.container,
            start: self.observed.start,
            end: self.observed.end,
            cpu_time: Nanoseconds(self.cpu_times.iter().copied().fold(0.0, f64::max).round() as u64),
            energy: zone_energies(zones, &self.energy, &self.idle, sigmas),
        }
    }
}

/// One sigma by zone, of errors that all windows have alike and the squares of those that each has of its own.
fn sigmas(systematic: &[f64], variance: &[f64]) -> impl Iterator<Item = f64> {
    systematic.iter().zip(variance).map(|(systematic, variance)| (systematic * systematic + variance).sqrt())
}

fn zone_energies(
    zones: &[(Zone, Provenance)],
    energies: &[Microjoules],
    idle: &[Microjoules],
    sigmas: impl Iterator<Item = f64>,
) -> Vec<ZoneEnergy> {
    let parts = energies.iter().copied().zip(idle.iter().copied()).zip(sigmas);
    let with_zone = zones.iter().cloned().zip(parts);
    with_zone
        .map(|((zone, provenance), ((energy, idle), sigma))| ZoneEnergy { zone, energy, idle, sigma, provenance })
        .collect()
}

fn container_of<'names>(consumer: &ConsumerId, names: &'names Names) -> Option<&'names Arc<Container>> {
    names.cgroup(names.cgroup_of(consumer))?.container.as_ref()
}

/// Who ran in a place, by some records.
fn consumers_in(place: &Place, records: &VecDeque<Record>, names: &Names) -> Vec<ConsumerId> {
    let mut consumers = BTreeSet::new();
    for record in records.iter().filter(|record| record.zone == 0) {
        for charged in &record.charged {
            let function = || names.workloads().function_of(&charged.container, record.to);
            if !consumers.contains(&charged.consumer) && is_place_of(place, charged, function(), names) {
                consumers.insert(charged.consumer);
            }
        }
    }
    consumers.into_iter().collect()
}

fn is_place_of(place: &Place, charged: &Charged, function: Option<FunctionId>, names: &Names) -> bool {
    match place {
        Place::Container(id) => charged.container.id == *id,
        Place::Pod(uid) => {
            charged.container.pod_uid.as_ref() == Some(uid)
                || names.workloads().pod_of(&charged.container).is_some_and(|pod| pod.uid == *uid)
        }
        Place::Process(cgroup, pid) => charged.consumer.cgroup == *cgroup && charged.consumer.pid == *pid,
        Place::Function { name, namespace } => {
            function.and_then(|function| names.workloads().function(function)).is_some_and(|function| {
                function.name == *name && namespace.as_ref().is_none_or(|wanted| function.namespace == *wanted)
            })
        }
    }
}

/// The function of an invocation that no CPU time was seen of.
fn function_at(observed: &Observed, names: &Names) -> Option<FunctionId> {
    let workloads = names.workloads();
    let container = match &observed.place {
        Place::Container(id) => Container { id: Arc::clone(id), runtime: "", pod_uid: None },
        Place::Pod(uid) => Container { id: "".into(), runtime: "", pod_uid: Some(Arc::clone(uid)) },
        Place::Process(cgroup, _) => {
            return workloads.function_of(names.cgroup(*cgroup)?.container.as_ref()?, observed.end);
        }
        Place::Function { name, namespace } => return workloads.find(name, namespace.as_deref()),
    };
    workloads.function_of(&container, observed.end)
}

/// Divides a consumer's energy among the invocations and the rest, in proportion to CPU time; the sum is exact.
fn divide(energy: Microjoules, whole: f64, claims: &[Claim]) -> (Vec<Microjoules>, Microjoules) {
    let quota = |cpu_time: f64| if whole > 0.0 { energy.0 as f64 * (cpu_time / whole) } else { 0.0 };
    let claimed: f64 = claims.iter().map(|claim| claim.cpu_time).sum();
    let rest = if whole > 0.0 { quota((whole - claimed).max(0.0)) } else { energy.0 as f64 };
    let quotas: Vec<f64> = claims.iter().map(|claim| quota(claim.cpu_time)).chain([rest]).collect();
    let mut parts = largest_remainder(&quotas, energy);
    let rest = parts.pop().unwrap_or_default();
    (parts, rest)
}

fn add(zones: &mut Vec<Microjoules>, zone: usize, energy: Microjoules) {
    if zones.len() <= zone {
        zones.resize(zone + 1, Microjoules::ZERO);
    }
    zones[zone] += energy;
}

fn add_to(zones: &mut Vec<f64>, zone: usize, value: f64) {
    if zones.len() <= zone {
        zones.resize(zone + 1, 0.0);
    }
    zones[zone] += value;
}

#[cfg(test)]
#[path = "book_tests.rs"]
mod tests;
