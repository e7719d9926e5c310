//! What fusion yields.

use std::sync::Arc;

use crate::activity::ActivityWindow;
use crate::source::{Provenance, SourceId, Zone};
use crate::units::{Microjoules, RelativeUncertainty};

use super::power_model::PowerModel;

/// The energy of one zone over one window of activity.
#[derive(Clone, Debug)]
pub struct EnergyWindow {
    /// Of what.
    pub zone: Zone,
    /// By which source.
    pub source: SourceId,
    /// What ran meanwhile. Usually one window of the agent; several joined into one where the meter was late.
    pub activity: Arc<ActivityWindow>,
    /// What the zone used, exactly as much as the source's counter moved. Summed over windows it is what the source counted.
    pub energy: Microjoules,
    /// The part that the zone would have used with nothing running; at most `energy`.
    pub static_energy: Microjoules,
    /// How sure that is (one sigma, of `energy`).
    pub uncertainty: RelativeUncertainty,
    /// What of that is in all energy of the source alike, as an error of its gain.
    pub lasting_uncertainty: RelativeUncertainty,
    /// The best that can be said of where it comes from.
    pub provenance: Provenance,
    /// How the zone's power follows from what runs, where that has been learned.
    pub model: Option<Arc<PowerModel>>,
}
