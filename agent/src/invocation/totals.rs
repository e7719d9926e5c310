//! What the invocations of one function have come to.

use serde::{Deserialize, Serialize};

use crate::units::Microjoules;

use super::histogram::Histogram;
use super::observed::By;

/// What a function's energy was used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Its invocations.
    Invocation,
    /// A container from its start to its first invocation, but for a minute at most.
    ColdStart,
    /// Everything else: containers that are kept to answer soon.
    KeepWarm,
}

impl Phase {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Invocation, Self::ColdStart, Self::KeepWarm];

    /// The name in every output.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Invocation => "invocation",
            Self::ColdStart => "cold_start",
            Self::KeepWarm => "keep_warm",
        }
    }
}

/// Energy by phase and zone. The phases do not overlap.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Phases([Vec<Microjoules>; 3]);

impl Phases {
    /// The energy of a phase in a zone.
    pub fn get(&self, phase: Phase, zone: usize) -> Microjoules {
        self.0[phase as usize].get(zone).copied().unwrap_or_default()
    }

    pub(crate) fn add(&mut self, phase: Phase, zone: usize, energy: Microjoules) {
        let zones = &mut self.0[phase as usize];
        if zones.len() <= zone {
            zones.resize(zone + 1, Microjoules::ZERO);
        }
        zones[zone] += energy;
    }

    pub(super) fn take(&mut self, other: &Self) {
        for phase in Phase::ALL {
            for (zone, energy) in other.0[phase as usize].iter().enumerate() {
                self.add(phase, zone, *energy);
            }
        }
    }
}

/// The invocations of one function since the agent began. All of it only grows.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct FunctionTotals {
    /// How many there were, in the order of [`By::ALL`].
    pub counts: [u64; By::ALL.len()],
    /// How many of its containers were started.
    pub cold_starts: u64,
    /// What its energy was used for.
    pub phases: Phases,
    /// Energy of an invocation in each zone, in joules; summed up in microjoules. The sockets of a zone are counted together,
    /// with the first of them.
    pub joules: Vec<Histogram>,
    /// Wall time of an invocation, in seconds; summed up in nanoseconds.
    pub seconds: Histogram,
}
