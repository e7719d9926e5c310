//! Containers as the sum of the cgroups in them.

use std::sync::Arc;

use prony_proto::energy::v1 as pb;
use rustc_hash::{FxHashMap, FxHashSet};

use crate::activity::CgroupId;
use crate::clock::Timestamp;
use crate::snapshot::{CgroupLine, Container, EnergyLine, LineState, Snapshot};
use crate::units::{Microjoules, Nanoseconds, Watts};

use super::lines::{LineKey, container, totals, whole_line};
use super::selection::Selection;

/// The cgroups seen so far that lie in containers. One that has lost its own line stays a part of its container until
/// the container has no line left, so that a container's totals never fall.
#[derive(Debug, Default)]
pub(super) struct Containers {
    by_id: FxHashMap<Arc<str>, FxHashMap<CgroupId, Member>>,
}

#[derive(Debug)]
struct Member {
    container: Arc<Container>,
    state: LineState,
    cpu_time: Nanoseconds,
    energy: Vec<EnergyLine>,
    at: Timestamp,
}

impl Containers {
    /// Takes a picture in; gives the lines of those containers that are in it.
    pub(super) fn update(&mut self, snapshot: &Snapshot, wanted: &Selection) -> Vec<(LineKey, pb::Line)> {
        let mut touched = FxHashSet::default();
        for line in &snapshot.cgroups {
            if let Some(within) = &line.container
                && wanted.wants_place(&line.path, Some(within))
            {
                let members = self.by_id.entry(Arc::clone(&within.id)).or_default();
                members.insert(line.id, Member::new(line, within, snapshot.at));
                touched.insert(&within.id);
            }
        }
        touched.into_iter().filter_map(|id| self.line(id, snapshot.at)).collect()
    }

    /// Forgets a container.
    pub(super) fn close(&mut self, id: &str) {
        self.by_id.remove(id);
    }

    fn line(&self, id: &Arc<str>, at: Timestamp) -> Option<(LineKey, pb::Line)> {
        let members = self.by_id.get(id)?;
        let first = members.values().next()?;
        let running = members.values().any(|member| member.state == LineState::Running);
        let state = if running { LineState::Running } else { LineState::Terminated };
        let cpu_time = members.values().map(|member| member.cpu_time).sum();
        let mut energy: Vec<EnergyLine> = Vec::new();
        for member in members.values() {
            let is_recent = at.since(member.at) <= Nanoseconds::SECOND;
            for part in &member.energy {
                let power = if is_recent { part.power } else { Watts(0.0) };
                let sum = slot(&mut energy, part.zone);
                sum.active += part.active;
                sum.idle += part.idle;
                sum.power.0 += power.0;
            }
        }
        energy.sort_unstable_by_key(|part| part.zone);
        let subject = pb::line::Subject::Container(container(&first.container));
        Some((LineKey::Container(Arc::clone(id)), whole_line(subject, state, totals(cpu_time, &energy))))
    }
}

impl Member {
    fn new(line: &CgroupLine, within: &Arc<Container>, at: Timestamp) -> Self {
        Self {
            container: Arc::clone(within),
            state: line.state,
            cpu_time: line.cpu_time,
            energy: line.energy.clone(),
            at,
        }
    }
}

fn slot(energy: &mut Vec<EnergyLine>, zone: usize) -> &mut EnergyLine {
    let index = energy.iter().position(|part| part.zone == zone).unwrap_or_else(|| {
        energy.push(EnergyLine { zone, active: Microjoules::ZERO, idle: Microjoules::ZERO, power: Watts(0.0) });
        energy.len() - 1
    });
    &mut energy[index]
}
