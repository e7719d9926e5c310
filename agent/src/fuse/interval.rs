//! Energy between two readings.

use crate::clock::Timestamp;
use crate::source::Provenance;
use crate::units::Microjoules;

use super::bridge::Flaw;

/// What one source counted between two readings.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Interval {
    /// The earlier reading.
    pub(super) from: Timestamp,
    /// The later reading.
    pub(super) to: Timestamp,
    /// What was counted between them.
    pub(super) energy: Microjoules,
    /// The source's own uncertainty of it (one sigma), in microjoules.
    pub(super) sigma: f64,
    /// The variance of it because counters are updated at moments that nobody knows, in square microjoules.
    pub(super) timing: f64,
    /// `Measured` or `Estimated`, as the source says.
    pub(super) provenance: Provenance,
    /// Whether it is where it belongs, as far as is known: not while the meter's delay is being put right.
    pub(super) steady: bool,
    /// Whether it says something else than what was used.
    pub(super) flaw: Option<Flaw>,
    /// Which of the zone's sources.
    pub(super) source: usize,
}

impl Interval {
    /// Adds a later interval. A source's own error is the same in both (gain, voltage), so that sigmas add up.
    pub(super) fn extend(&mut self, later: &Self) {
        self.to = later.to;
        self.energy += later.energy;
        self.sigma += later.sigma;
        // What one lacks the next has; only the last end counts.
        self.timing = later.timing;
        self.flaw = self.flaw.or(later.flaw);
        self.provenance = self.provenance.max(later.provenance);
        self.steady &= later.steady;
        self.source = later.source;
    }
}
