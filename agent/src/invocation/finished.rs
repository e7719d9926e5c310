//! An invocation whose energy is known.

use std::sync::Arc;

use crate::clock::Timestamp;
use crate::identity::Function;
use crate::source::{Provenance, Zone};
use crate::units::{Microjoules, Nanoseconds};

use super::observed::By;

/// One invocation and what it used.
#[derive(Clone, Debug, PartialEq)]
pub struct Finished {
    /// Its id, as its observer calls it; for a process, its number and when it was started.
    pub id: Arc<str>,
    /// Who saw it.
    pub by: By,
    /// Of which function it is.
    pub function: Arc<Function>,
    /// In which container it ran; `None` where it used no CPU time.
    pub container: Option<Arc<str>>,
    /// When it began.
    pub start: Timestamp,
    /// When it ended.
    pub end: Timestamp,
    /// CPU time.
    pub cpu_time: Nanoseconds,
    /// Energy by zone.
    pub energy: Vec<ZoneEnergy>,
}

/// What an invocation used in one zone.
#[derive(Clone, Debug, PartialEq)]
pub struct ZoneEnergy {
    /// Of which zone.
    pub zone: Zone,
    /// Its energy.
    pub energy: Microjoules,
    /// The part of `energy` that is its share of the static energy, where the policy shares that out.
    pub idle: Microjoules,
    /// One standard deviation of it, in microjoules.
    pub sigma: f64,
    /// Whether the zone was measured all the time.
    pub provenance: Provenance,
}
