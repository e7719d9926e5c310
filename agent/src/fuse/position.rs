//! Up to where a meter's counter is booked, as it is written down for the next agent: the counter goes on while none runs.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::source::{Counter, CounterRange, Measure, Provenance, Reading, SourceId, Zone};
use crate::units::{Microjoules, RelativeUncertainty};

/// One zone's meter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MeterPosition {
    pub(super) zone: Zone,
    pub(super) source: SourceId,
    pub(super) provenance: Provenance,
    /// When its newest reading was, and what that said.
    pub(super) at: Timestamp,
    pub(super) total: Microjoules,
    pub(super) range: CounterRange,
    /// Before that reading was counted and is not handed out yet: what was used since `from`.
    pub(super) held: Microjoules,
    pub(super) from: Timestamp,
}

impl MeterPosition {
    /// Windows of activity that end later are still needed.
    pub fn needs_windows_after(&self) -> Timestamp {
        self.from
    }

    /// The newest reading, as the next agent would have taken it.
    pub(super) fn reading(&self) -> Reading {
        let counter = Counter { total: self.total, range: self.range, epoch: 0, outlives_agent: true };
        Reading {
            source: self.source.clone(),
            zone: self.zone.clone(),
            at: self.at,
            measure: Measure::Energy(counter),
            uncertainty: RelativeUncertainty::default(),
            clipped: false,
            provenance: self.provenance,
        }
    }
}
