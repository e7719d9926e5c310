//! What a source has shown of itself and of its zone's power: all that is learned, and goes on with the next agent.

use serde::{Deserialize, Serialize};

use crate::source::{SourceId, Zone};
use crate::units::Watts;

use super::agreement::Agreement;
use super::alignment::Alignment;
use super::bridge::Bridge;
use super::envelope::Envelope;
use super::learner::Learner;
use super::stuck::Stuck;

/// What one source has shown.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Learnt {
    /// How late it is.
    pub(super) alignment: Alignment,
    /// Of the zone's static power.
    pub(super) envelope: Envelope,
    /// Of how power follows from what runs.
    #[serde(deserialize_with = "Learner::sound_or_new")]
    pub(super) by_activity: Learner,
    /// Of how power follows from that of packages.
    #[serde(deserialize_with = "Learner::sound_or_new")]
    pub(super) by_packages: Learner,
    /// Whether it agrees with that.
    pub(super) agreement: Agreement,
    pub(super) stuck: Stuck,
    pub(super) bridge: Bridge,
}

impl Learnt {
    /// Begins with the zone's static power, as an earlier agent had learned it.
    pub(super) fn remembering(power: Watts) -> Self {
        Self {
            envelope: Envelope::remembering(power),
            by_activity: Learner::remembering(power),
            by_packages: Learner::remembering(power),
            ..Self::default()
        }
    }

    /// A stretch follows of which it is not known who ran.
    pub(super) fn interrupt(&mut self) {
        self.envelope.interrupt();
        self.by_activity.interrupt();
        self.by_packages.interrupt();
    }
}

/// What one zone's source has shown, as it is written down for the next agent.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MeterLearnt {
    pub(super) zone: Zone,
    pub(super) source: SourceId,
    pub(super) learnt: Learnt,
}
