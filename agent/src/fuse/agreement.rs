//! Whether a meter of the whole machine and those of its packages say the same.

use serde::{Deserialize, Serialize};

use crate::notice::Notice;
use crate::source::SourceId;
use crate::units::{Microjoules, Nanoseconds, Watts};

use super::meter_state::Supply;

static DISAGREES: Notice = Notice::new("meters_disagree");

/// Over so long it is averaged how far off the meter is.
const AVERAGED: Nanoseconds = Nanoseconds(20 * Nanoseconds::SECOND.0);
/// From where on that is a disagreement, and below which it is none any more: parts of what is foretold.
const OFF: f64 = 0.15;
const BACK: f64 = 0.05;
/// After so long nothing is learned from a single interval that is off by more than this part.
const SETTLED: Nanoseconds = Nanoseconds(60 * Nanoseconds::SECOND.0);
const ODD: f64 = 0.3;
/// After so long of disagreement the meter is believed: something has changed for good.
const BELIEVED_AFTER: Nanoseconds = Nanoseconds(600 * Nanoseconds::SECOND.0);
/// What a watt of packages can take of the whole machine: less than itself is impossible (but for the meters' errors), and
/// no supply wastes two thirds.
const PLAUSIBLE: std::ops::RangeInclusive<f64> = 0.9..=3.0;
/// How sure the gain has to be before it is judged (one sigma).
const SURE: f64 = 0.1;
/// See the module.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Agreement {
    /// How far the meter is off what is foretold, relative; averaged.
    off: f64,
    seen: Nanoseconds,
    disagrees: bool,
    since: Nanoseconds,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Judgement {
    /// What the meter says is to be learned from.
    Learn,
    /// It is not.
    Ignore,
    /// It is, and what was known of it is not true any more.
    LearnAnew,
}

impl Agreement {
    pub(super) fn disagrees(&self) -> bool {
        self.disagrees
    }

    /// How far off the meter is, in parts of what is foretold.
    pub(super) fn off(&self) -> f64 {
        self.off
    }

    /// Takes what the meter counted over a time, the power that is foretold of it, and how that follows from the packages'.
    pub(super) fn observe(
        &mut self,
        source: &SourceId,
        (energy, time): (Microjoules, Nanoseconds),
        foretold: Watts,
        supply: Supply,
    ) -> Judgement {
        let power = energy.over(time).0;
        self.seen += time;
        let relative = ((power - foretold.0) / foretold.0.max(f64::MIN_POSITIVE)).clamp(-1.0, 1.0);
        let part = time.0 as f64 / AVERAGED.0.min(self.seen.0).max(1) as f64;
        self.off += (relative - self.off) * part.min(1.0);
        let is_implausible = supply.gain_sigma < SURE && !PLAUSIBLE.contains(&supply.gain);
        let is_off = self.seen >= AVERAGED && self.off.abs() > if self.disagrees { BACK } else { OFF };
        if is_implausible {
            DISAGREES.warn(format_args!(
                "{source} moves by {:.2} W for each watt of the packages, which no supply does: check the meter's channel, its \
                 volts and its shunt",
                supply.gain
            ));
        } else if is_off {
            DISAGREES.warn(format_args!(
                "{source} says {power:.1} W where the packages' power lets expect {:.1} W: has a shunt failed, a device been \
                 plugged in, or the supply changed?",
                foretold.0
            ));
        }
        self.disagrees = is_implausible || is_off;
        if !self.disagrees {
            self.since = Nanoseconds::ZERO;
            let is_odd = self.seen >= SETTLED && relative.abs() > ODD;
            return if is_odd { Judgement::Ignore } else { Judgement::Learn };
        }
        self.since += time;
        match self.since < BELIEVED_AFTER {
            _ if is_implausible => Judgement::Learn,
            true => Judgement::Ignore,
            false => {
                *self = Self::default();
                Judgement::LearnAnew
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUPPLY: Supply = Supply { gain: 1.2, gain_sigma: 0.02, offset: Watts(10.0), offset_sigma: Watts(0.2) };

    fn source() -> SourceId {
        SourceId("meter".into())
    }

    /// What becomes of a second in which packages drew so many watts, and the meter said so many.
    fn second(agreement: &mut Agreement, packages: f64, said: f64, supply: Supply) -> Judgement {
        let foretold = supply.offset.0 + supply.gain * packages;
        let seen = (Watts(said) * Nanoseconds::SECOND, Nanoseconds::SECOND);
        agreement.observe(&source(), seen, Watts(foretold), supply)
    }

    /// So many seconds in which packages move and the meter is off what they let expect by this factor.
    fn seconds(agreement: &mut Agreement, count: u32, factor: f64) -> Vec<Judgement> {
        let packages = |at: u32| 20.0 + f64::from(at % 7);
        (0..count).map(|at| second(agreement, packages(at), factor * (10.0 + 1.2 * packages(at)), SUPPLY)).collect()
    }

    #[test]
    fn a_meter_that_says_what_is_expected_is_learned_from() {
        let mut agreement = Agreement::default();
        assert!(seconds(&mut agreement, 100, 1.05).iter().all(|judgement| *judgement == Judgement::Learn));
        assert!(!agreement.disagrees() && (agreement.off() - 0.05).abs() < 1e-3, "{agreement:?}");
    }

    #[test]
    fn a_meter_that_is_off_for_long_disagrees_until_it_is_back_or_believed() {
        let mut agreement = Agreement::default();
        seconds(&mut agreement, 100, 1.0);
        let judged = seconds(&mut agreement, 60, 1.4);
        assert!(judged.iter().all(|judgement| *judgement == Judgement::Ignore), "not even before it is one");
        assert!(agreement.disagrees());
        seconds(&mut agreement, 100, 1.0);
        assert!(!agreement.disagrees());
        let judged = seconds(&mut agreement, 700, 1.4);
        assert_eq!(judged.iter().filter(|judgement| **judgement == Judgement::LearnAnew).count(), 1);
    }

    #[test]
    fn a_gain_that_no_supply_has_is_told_once_it_is_sure() {
        for (gain, gain_sigma, expected) in
            [(0.5, 0.05, true), (0.5, 0.5, false), (4.0, 0.05, true), (1.2, 0.05, false)]
        {
            let (mut agreement, supply) = (Agreement::default(), Supply { gain, gain_sigma, ..SUPPLY });
            for at in 0..30 {
                let packages = 20.0 + f64::from(at % 7);
                second(&mut agreement, packages, 10.0 + gain * packages, supply);
            }
            assert_eq!(agreement.disagrees(), expected, "{gain} ± {gain_sigma}");
        }
    }
}
