//! What attribution yields.

use crate::activity::ConsumerId;
use crate::clock::Timestamp;
use crate::fuse::Doubt;
use crate::source::{Provenance, SourceId, Zone};
use crate::units::{Microjoules, RelativeUncertainty};

/// What one consumer is charged.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Share {
    /// Who.
    pub consumer: ConsumerId,
    /// Energy for what it did.
    pub active: Microjoules,
    /// Its share of the static energy, where the policy shares that out.
    pub idle: Microjoules,
    /// How sure it is that this much of `measured` is its own.
    pub doubt: Doubt,
}

impl Share {
    /// Both parts.
    pub fn energy(&self) -> Microjoules {
        self.active + self.idle
    }
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
    /// What of that is in all energy of the source alike.
    pub lasting_uncertainty: RelativeUncertainty,
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

    /// What is not known of a share: of what is measured, and of what of that is its own.
    pub fn doubt(&self, share: &Share) -> Doubt {
        let of_measured = self.doubt_of(share.energy());
        Doubt {
            systematic: share.doubt.systematic + of_measured.systematic,
            random: share.doubt.random + of_measured.random,
        }
    }

    /// What is not known of a part of what is measured, if it is known what part that is.
    pub fn doubt_of(&self, part: Microjoules) -> Doubt {
        let square = |relative: RelativeUncertainty| (relative.0 * part.0 as f64).powi(2);
        let systematic = square(self.lasting_uncertainty);
        Doubt { systematic, random: (square(self.uncertainty) - systematic).max(0.0) }
    }
}
