//! One window of activity.

use std::sync::Arc;

use crate::clock::Timestamp;
use crate::units::Nanoseconds;

use super::{ConsumerId, ShardId, Topology, WorkKinds};

/// CPU time of one consumer in one shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slice {
    /// Who ran.
    pub consumer: ConsumerId,
    /// On which CPUs.
    pub shard: ShardId,
    /// For how long within the window; never zero.
    pub cpu_time: Nanoseconds,
}

/// What a processor's own counters (its PMU) counted while somebody ran.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Cycles that a core was not halted.
    pub cycles: u64,
    /// Instructions retired.
    pub instructions: u64,
}

impl Counts {
    /// The difference; nothing where `other` is larger.
    #[must_use]
    pub fn saturating_sub(self, other: Self) -> Self {
        Self {
            cycles: self.cycles.saturating_sub(other.cycles),
            instructions: self.instructions.saturating_sub(other.instructions),
        }
    }

    /// The larger of each.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        Self { cycles: self.cycles.max(other.cycles), instructions: self.instructions.max(other.instructions) }
    }
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.cycles = self.cycles.saturating_add(other.cycles);
        self.instructions = self.instructions.saturating_add(other.instructions);
    }
}

/// What ran between two instants. The slices plus the idle time are the wall time of every CPU that was online.
#[derive(Clone, Debug, Default)]
pub struct ActivityWindow {
    /// The window's beginning, which is the end of the one before.
    pub from: Timestamp,
    /// The window's end.
    pub to: Timestamp,
    /// Who ran; the slices of one consumer follow each other, its shards ascending, each at most once.
    pub slices: Vec<Slice>,
    /// What was counted in each of the slices, in their order; empty where that is not known of all of them.
    pub counts: Vec<Counts>,
    /// Idle time by shard, indexed by [`ShardId`].
    pub idle: Vec<Nanoseconds>,
    /// The machine.
    pub topology: Arc<Topology>,
    /// Cgroups whose work is of one kind: those of a function, under a number of its own.
    pub kinds: Arc<WorkKinds>,
}

impl ActivityWindow {
    /// The window's length.
    pub fn length(&self) -> Nanoseconds {
        self.to.since(self.from)
    }

    /// Whether [`Self::counts`] are those of all slices.
    pub fn has_counts(&self) -> bool {
        self.counts.len() == self.slices.len()
    }

    /// CPU time of all consumers in a package; in all packages for `None`.
    pub fn busy(&self, package: Option<u32>) -> Nanoseconds {
        self.slices
            .iter()
            .filter(|slice| package.is_none_or(|wanted| self.topology.package_of(slice.shard) == wanted))
            .map(|slice| slice.cpu_time)
            .sum()
    }
}
