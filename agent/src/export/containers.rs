//! Containers and pods as the sum of the cgroups in them.

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::activity::CgroupId;
use crate::clock::Timestamp;
use crate::snapshot::{CgroupLine, Container, ContainerFacts, EnergyLine, LineState, PodFacts, Snapshot};
use crate::units::{Microjoules, Nanoseconds, Watts};

/// A container's line, or a pod's.
#[derive(Clone, Debug)]
pub(super) struct ContainerLine {
    /// Which; for a pod, one of its containers.
    pub(super) container: Arc<Container>,
    /// What was told of the container.
    pub(super) facts: Option<Arc<ContainerFacts>>,
    /// What was told of its pod.
    pub(super) pod: Option<Arc<PodFacts>>,
    /// Whether any of its cgroups still exists.
    pub(super) state: LineState,
    /// CPU time.
    pub(super) cpu_time: Nanoseconds,
    /// Energy by zone, in the order of the zones.
    pub(super) energy: Vec<EnergyLine>,
}

/// Containers, each with the cgroups seen in it. What a cgroup used that has lost its own line stays a part of its
/// container until the container has no line left, so that a container's totals never fall.
#[derive(Debug)]
pub(super) struct Containers {
    key: Key,
    by_id: FxHashMap<Arc<str>, Group>,
}

/// What cgroups are brought together by.
type Key = fn(&Container) -> Option<&Arc<str>>;

#[derive(Debug)]
struct Group {
    container: Arc<Container>,
    facts: Option<Arc<ContainerFacts>>,
    pod: Option<Arc<PodFacts>>,
    members: FxHashMap<CgroupId, Member>,
    /// What the cgroups used whose lines have gone.
    gone: Used,
}

#[derive(Debug)]
struct Member {
    state: LineState,
    used: Used,
    at: Timestamp,
}

#[derive(Clone, Debug, Default)]
struct Used {
    cpu_time: Nanoseconds,
    energy: Vec<EnergyLine>,
}

impl Default for Containers {
    fn default() -> Self {
        Self { key: |container| Some(&container.id), by_id: FxHashMap::default() }
    }
}

impl Containers {
    /// Pods instead of containers; containers without a pod are left out.
    pub(super) fn by_pod() -> Self {
        Self { key: |container| container.pod_uid.as_ref(), ..Self::default() }
    }

    /// Takes those cgroups of a picture in that are `wanted`; gives the lines of the containers that they lie in. What
    /// is not in a whole picture is forgotten.
    pub(super) fn update(
        &mut self,
        snapshot: &Snapshot,
        wanted: impl Fn(&CgroupLine, &Container) -> bool,
    ) -> Vec<ContainerLine> {
        let mut touched = FxHashSet::default();
        for line in &snapshot.cgroups {
            if let Some(within) = &line.container
                && let Some(key) = (self.key)(within)
                && wanted(line, within)
            {
                let group = self.by_id.entry(Arc::clone(key)).or_insert_with(|| Group::new(within));
                group.take(line, snapshot.at);
                touched.insert(key);
            }
        }
        if snapshot.since.is_none() {
            let present: FxHashSet<CgroupId> = snapshot.cgroups.iter().map(|line| line.id).collect();
            self.by_id.retain(|id, _| touched.contains(id));
            self.by_id.values_mut().for_each(|group| group.keep(&present));
        }
        touched.into_iter().filter_map(|id| Some(self.by_id.get(id)?.line(snapshot.at))).collect()
    }
}

impl Group {
    fn new(container: &Arc<Container>) -> Self {
        Self {
            container: Arc::clone(container),
            facts: None,
            pod: None,
            members: FxHashMap::default(),
            gone: Used::default(),
        }
    }

    /// Takes a cgroup's line in. One that has fallen has been gone meanwhile and begun anew.
    fn take(&mut self, line: &CgroupLine, at: Timestamp) {
        if line.container_facts.is_some() {
            self.facts.clone_from(&line.container_facts);
        }
        if line.pod.is_some() {
            self.pod.clone_from(&line.pod);
        }
        let used = Used { cpu_time: line.cpu_time, energy: line.energy.clone() };
        let before = self.members.insert(line.id, Member { state: line.state, used, at });
        if let Some(before) = before.filter(|before| before.used.cpu_time > line.cpu_time) {
            self.gone.add(&before.used, 0.0);
        }
    }

    /// Adds up the cgroups that are not among these.
    fn keep(&mut self, present: &FxHashSet<CgroupId>) {
        let gone = &mut self.gone;
        self.members.retain(|id, member| {
            let stays = present.contains(id);
            if !stays {
                gone.add(&member.used, 0.0);
            }
            stays
        });
    }

    fn line(&self, at: Timestamp) -> ContainerLine {
        let running = self.members.values().any(|member| member.state == LineState::Running);
        let mut sum = self.gone.clone();
        for member in self.members.values() {
            let is_recent = at.since(member.at) <= Nanoseconds::SECOND;
            sum.add(&member.used, if is_recent { 1.0 } else { 0.0 });
        }
        sum.energy.sort_unstable_by_key(|part| part.zone);
        ContainerLine {
            container: Arc::clone(&self.container),
            facts: self.facts.clone(),
            pod: self.pod.clone(),
            state: if running { LineState::Running } else { LineState::Terminated },
            cpu_time: sum.cpu_time,
            energy: sum.energy,
        }
    }
}

impl Used {
    /// Adds what another used; of its power this part.
    fn add(&mut self, other: &Self, power: f64) {
        self.cpu_time += other.cpu_time;
        for part in &other.energy {
            let sum = self.zone(part.zone);
            sum.active += part.active;
            sum.idle += part.idle;
            sum.power.0 += power * part.power.0;
        }
    }

    fn zone(&mut self, zone: usize) -> &mut EnergyLine {
        let index = self.energy.iter().position(|part| part.zone == zone).unwrap_or_else(|| {
            let nothing = EnergyLine { zone, active: Microjoules::ZERO, idle: Microjoules::ZERO, power: Watts(0.0) };
            self.energy.push(nothing);
            self.energy.len() - 1
        });
        &mut self.energy[index]
    }
}
