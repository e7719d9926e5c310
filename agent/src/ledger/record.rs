//! The books as they are written down, so that the next agent goes on with them.
//!
//! A record holds totals, never differences: of what it names, the last one counts.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::activity::{CgroupId, Comm, ConsumerId, Pid};
use crate::clock::Timestamp;
use crate::identity::Function;
use crate::source::{Provenance, SourceId, Zone};
use crate::units::{Microjoules, Nanoseconds, RelativeUncertainty};

/// The books at the end of a window: all of them, or those lines that have changed since another window. Zones, the lines
/// `other` and what is pending are always all there.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LedgerRecord {
    /// The number of that window.
    pub(super) generation: u64,
    pub(super) idle_cpu_time: Nanoseconds,
    pub(super) busy_cpu_time: Nanoseconds,
    pub(super) zones: Vec<ZoneRecord>,
    pub(super) processes: LevelRecord<ConsumerId, ProcessRecord>,
    pub(super) commands: LevelRecord<(CgroupId, Comm), CommandRecord>,
    pub(super) cgroups: LevelRecord<CgroupId, CgroupRecord>,
    pub(super) functions: LevelRecord<Function, ()>,
    pub(super) pending: Vec<PendingRecord>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct ZoneRecord {
    pub(super) zone: Zone,
    pub(super) source: SourceId,
    pub(super) provenance: Provenance,
    pub(super) uncertainty: RelativeUncertainty,
    pub(super) measured: Microjoules,
    pub(super) active: Microjoules,
    pub(super) idle: Microjoules,
    pub(super) idle_shared: Microjoules,
    pub(super) unattributed: Microjoules,
    pub(super) until: Timestamp,
}

/// One level.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct LevelRecord<Key: Ord, Extra> {
    /// Lines that have gone into `other` since; some of them may be back, among `lines`.
    pub(super) gone: Vec<Key>,
    pub(super) lines: BTreeMap<Key, LineRecord<Extra>>,
    /// Lines that were seen and taken away since: they may come back only after a picture without them.
    pub(super) hidden: Vec<Key>,
    pub(super) other: UsageRecord,
}

impl<Key: Ord, Extra> Default for LevelRecord<Key, Extra> {
    fn default() -> Self {
        Self { gone: Vec::new(), lines: BTreeMap::new(), hidden: Vec::new(), other: UsageRecord::default() }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct LineRecord<Extra> {
    pub(super) usage: UsageRecord,
    pub(super) ended: bool,
    pub(super) extra: Extra,
}

/// CPU time, and active and idle energy by zone.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct UsageRecord {
    pub(super) cpu_time: Nanoseconds,
    pub(super) zones: Vec<(Microjoules, Microjoules)>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct ProcessRecord {
    pub(super) cgroup: CgroupId,
    pub(super) comm: Option<Comm>,
    pub(super) epitaph: Option<EpitaphRecord>,
}

/// What an ended process was called.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct EpitaphRecord {
    pub(super) parent: Pid,
    pub(super) kernel_thread: bool,
    pub(super) comm: String,
    pub(super) exe: Option<String>,
    pub(super) cgroup_path: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct CommandRecord {
    pub(super) processes: u64,
    pub(super) cgroup_path: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct CgroupRecord {
    pub(super) path: Option<String>,
}

/// What a cgroup has used whose function is not told yet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct PendingRecord {
    pub(super) cgroup: CgroupId,
    pub(super) since: Timestamp,
    pub(super) usage: UsageRecord,
}

impl LedgerRecord {
    /// Takes over what has changed since.
    pub fn follow(&mut self, later: Self) {
        let Self { processes, commands, cgroups, functions, .. } = std::mem::replace(self, later);
        self.processes.come_after(processes);
        self.commands.come_after(commands);
        self.cgroups.come_after(cgroups);
        self.functions.come_after(functions);
    }

    /// Whether the books add up: at every level lines and `other` are the zones' energy and all CPU time, to the last unit. Only
    /// what was damaged and then signed anew does not.
    pub fn adds_up(&self) -> bool {
        let pending: Vec<&UsageRecord> = self.pending.iter().map(|held| &held.usage).collect();
        let parts_are_wholes = self.zones.iter().all(|zone| {
            let parts = [zone.active, zone.idle, zone.unattributed].map(|part| u128::from(part.0));
            parts.iter().sum::<u128>() == u128::from(zone.measured.0) && zone.idle_shared <= zone.idle
        });
        let charged = self.zones.iter().map(|zone| u128::from(zone.active.0) + u128::from(zone.idle_shared.0));
        let whole = (u128::from(self.busy_cpu_time.0), charged.collect());
        let whole = Some(whole);
        parts_are_wholes
            && self.processes.sums(self.zones.len(), &[]) == whole
            && self.commands.sums(self.zones.len(), &[]) == whole
            && self.cgroups.sums(self.zones.len(), &[]) == whole
            && self.functions.sums(self.zones.len(), &pending) == whole
    }

    /// All but which lines have gone, which is only told of changes, and where cgroups are, which is told with their lines.
    #[cfg(test)]
    pub(crate) fn lines(&self) -> Self {
        let mut lines = self.clone();
        lines.cgroups.lines.values_mut().for_each(|line| line.extra.path = None);
        lines.processes.gone.clear();
        lines.commands.gone.clear();
        lines.cgroups.gone.clear();
        lines.functions.gone.clear();
        lines
    }

    /// Processes that had not ended, as they were called.
    pub fn living_processes(&self) -> impl Iterator<Item = (ConsumerId, Comm)> {
        let living = self.processes.lines.iter().filter(|(consumer, line)| !line.ended && consumer.pid.0 != 0);
        living.map(|(consumer, line)| (*consumer, line.extra.comm.unwrap_or_default()))
    }

    /// Cgroups that were there, by their paths, where these were known.
    pub fn living_cgroups(&self) -> impl Iterator<Item = (CgroupId, &str)> {
        let living = self.cgroups.lines.iter().filter(|(_, line)| !line.ended);
        living.filter_map(|(cgroup, line)| Some((*cgroup, line.extra.path.as_deref()?)))
    }

    /// What each function has used, by zone.
    pub fn used_by_functions(&self) -> impl Iterator<Item = (&Function, Vec<Microjoules>)> {
        self.functions
            .lines
            .iter()
            .map(|(function, line)| (function, line.usage.zones.iter().map(|&(active, idle)| active + idle).collect()))
    }

    /// Leaves what is known by numbers that the kernel gives anew after each boot: processes, commands and cgroups are counted
    /// in their lines `other` from then on.
    pub fn outlive_boot(&mut self) {
        self.processes.fold_all();
        self.commands.fold_all();
        self.cgroups.fold_all();
        for pending in std::mem::take(&mut self.pending) {
            self.functions.other.add(&pending.usage);
        }
        for zone in &mut self.zones {
            zone.until = Timestamp::default();
        }
    }
}

impl<Key: Ord, Extra> LevelRecord<Key, Extra> {
    /// Adds the lines of an earlier record that are still there.
    fn come_after(&mut self, earlier: Self) {
        let mut lines = earlier.lines;
        for gone in std::mem::take(&mut self.gone) {
            lines.remove(&gone);
        }
        lines.append(&mut self.lines);
        self.lines = lines;
    }

    /// CPU time, and energy by zone; `None` where there is energy of a zone that there is not.
    fn sums(&self, zones: usize, pending: &[&UsageRecord]) -> Option<(u128, Vec<u128>)> {
        let (mut cpu_time, mut energy) = (0, vec![0; zones]);
        let usages = self.lines.values().map(|line| &line.usage).chain([&self.other]).chain(pending.iter().copied());
        for usage in usages {
            cpu_time += u128::from(usage.cpu_time.0);
            for (zone, (active, idle)) in usage.zones.iter().enumerate() {
                *energy.get_mut(zone)? += u128::from(active.0) + u128::from(idle.0);
            }
        }
        Some((cpu_time, energy))
    }

    fn fold_all(&mut self) {
        self.hidden.clear();
        for line in std::mem::take(&mut self.lines).into_values() {
            self.other.add(&line.usage);
        }
    }
}

impl UsageRecord {
    fn add(&mut self, more: &Self) {
        self.cpu_time += more.cpu_time;
        if self.zones.len() < more.zones.len() {
            self.zones.resize(more.zones.len(), (Microjoules::ZERO, Microjoules::ZERO));
        }
        for ((active, idle), (more_active, more_idle)) in self.zones.iter_mut().zip(&more.zones) {
            *active += *more_active;
            *idle += *more_idle;
        }
    }
}
