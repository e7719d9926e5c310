//! What attribution yields.

use crate::activity::ConsumerId;
use crate::clock::Timestamp;
use crate::source::{Provenance, SourceId, Zone};
use crate::units::{Microjoules, RelativeUncertainty};

/// What one consumer is charged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// Who.
    pub consumer: ConsumerId,
    /// Energy for what it did.
    pub active: Microjoules,
    /// Its share of the static energy, where the policy shares that out.
    pub idle: Microjoules,
}

/// One zone's energy over one window, shared out: the shares plus `idle` plus `unattributed` are `measured`, exactly.
#[derive(Clone, Debug)]
pub struct Attribution {
    /// Of what.
    pub zone: Zone,
    /// By which source.
    pub source: SourceId,
    /// The window's beginning.
    pub from: Timestamp,
    /// The window's end.
    pub to: Timestamp,
    /// The whole.
    pub measured: Microjoules,
    /// Static energy that belongs to nobody under the policy.
    pub idle: Microjoules,
    /// Energy above the static part while nobody ran.
    pub unattributed: Microjoules,
    /// Who is charged what; each consumer at most once.
    pub shares: Vec<Share>,
    /// How sure `measured` is.
    pub uncertainty: RelativeUncertainty,
    /// Where `measured` comes from.
    pub provenance: Provenance,
}

impl Attribution {
    /// What the parts are short of the whole (or over it, negative), in microjoules. Anything but zero is a bug.
    pub fn books_error(&self) -> i128 {
        let whole = |energy: Microjoules| i128::from(energy.0);
        let shares: i128 = self.shares.iter().map(|share| whole(share.active) + whole(share.idle)).sum();
        whole(self.measured) - whole(self.idle) - whole(self.unattributed) - shares
    }
}
