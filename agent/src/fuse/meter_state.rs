//! What becomes known of a meter beside its energy.

use crate::source::{SourceId, Zone};
use crate::units::{Microjoules, Watts};

use super::alignment::Lag;

/// What is known of a meter of a zone.
#[derive(Clone, Debug, PartialEq)]
pub struct MeterState {
    /// Of which zone.
    pub zone: Zone,
    /// Which meter.
    pub source: SourceId,
    /// How late it is, where that can be told.
    pub lag: Option<Lag>,
    /// How its power follows from that of packages, where both are measured.
    pub supply: Option<Supply>,
    /// Whether it measures what packages are a part of, which are measured too.
    pub follows_packages: bool,
    /// How far it is off what that lets expect, as a part of it, lately.
    pub off: f64,
    /// Whether that is so far, or what it says so impossible, that something is wrong.
    pub disagrees: bool,
    /// What was booked by the model while the meter was at the end of its range, stuck, or silent, in all.
    pub reckoned: Microjoules,
    /// What the zone draws whoever runs, as it is charged.
    pub static_power: Watts,
    /// What it has drawn on an idle machine, with all that an idle machine does; none where the machine never was idle.
    pub idle_power: Option<Watts>,
}

impl MeterState {
    /// Whether anything is known of it yet.
    pub fn is_known(&self) -> bool {
        self.lag.is_some()
            || self.supply.is_some()
            || self.idle_power.is_some()
            || self.disagrees
            || !self.reckoned.is_zero()
    }
}

/// How a machine's power follows from that of its packages.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Supply {
    /// Watts that each watt of packages takes: what the supply loses, and what goes with packages (memory, regulators, fans).
    pub gain: f64,
    /// One sigma of it.
    pub gain_sigma: f64,
    /// What is drawn beside them, whatever they do.
    pub offset: Watts,
    /// One sigma of it.
    pub offset_sigma: Watts,
}
