//! What was handed out of the kernel side's counters, as it is written down for the next agent: the kernel goes on counting
//! while none runs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::units::Nanoseconds;

use super::{ConsumerId, ShardId};

/// All of it, or what has changed since another one was written.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HandedOut {
    /// Up to when.
    pub(super) to: Timestamp,
    /// Of each cell of a slot, with whom the slot belonged to.
    pub(super) cells: BTreeMap<(u32, ShardId), (ConsumerId, Nanoseconds)>,
    /// Slots that were given back.
    pub(super) given_back: Vec<u32>,
    /// Of each CPU's idle time, in the topology's order.
    pub(super) idle: Vec<Nanoseconds>,
}

impl HandedOut {
    /// Up to when activity was handed out: where the next agent's first window begins.
    pub fn to(&self) -> Timestamp {
        self.to
    }

    /// Takes over what has changed since.
    pub fn follow(&mut self, mut later: Self) {
        let mut cells = std::mem::take(&mut self.cells);
        for slot in std::mem::take(&mut later.given_back) {
            let of_slot: Vec<_> =
                cells.range((slot, ShardId(0))..=(slot, ShardId(u16::MAX))).map(|(key, _)| *key).collect();
            for key in of_slot {
                cells.remove(&key);
            }
        }
        cells.append(&mut later.cells);
        *self = Self { cells, ..later };
    }
}
