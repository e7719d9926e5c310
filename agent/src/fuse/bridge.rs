//! What was used while a meter did not measure it: at the end of its range, stuck, or after it had been silent.

use serde::{Deserialize, Serialize};

use crate::source::Provenance;
use crate::units::{Microjoules, Nanoseconds, Watts};

use super::interval::Interval;

/// How far what a model says is off (one sigma, relative): at first, at most, and after how long that is.
const DEVIATIONS: (f64, f64) = (0.1, 0.5);
const GROWS_OVER: Nanoseconds = Nanoseconds(600 * Nanoseconds::SECOND.0);
/// After how many times its usual interval, and how long at least, a mean power says nothing of the time since the reading
/// before.
const SILENT_AFTER: u64 = 3;
const SILENT_AT_LEAST: Nanoseconds = Nanoseconds(2 * Nanoseconds::SECOND.0);

/// Why a reading does not say what was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    /// It was at the end of its range: more was used.
    Clipped,
    /// It says what it said before.
    Stuck,
    /// It says a power after so long that it is not known how long it was that.
    Silent,
}

/// Puts what a model says in the place of what a meter says that has a flaw.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Bridge {
    /// For how long it has done so without a good reading in between.
    lasted: Nanoseconds,
    /// How long a good interval was.
    usual: Option<Nanoseconds>,
    /// What was booked in place of what meters said, in all.
    pub(super) reckoned: Microjoules,
}

impl Bridge {
    /// Whether a mean power that the meter says is of too long a time.
    pub(super) fn is_silence(&self, time: Nanoseconds) -> bool {
        self.usual.is_some_and(|usual| time.0 > SILENT_AFTER * usual.0.max(SILENT_AT_LEAST.0 / SILENT_AFTER))
    }

    /// The interval as it is to be booked, `foretold` being what the model says, where there is one. How sure that is falls
    /// with the time for which no good reading has come.
    pub(super) fn over(&mut self, interval: Interval, foretold: Option<Watts>) -> Interval {
        let time = interval.to.since(interval.from);
        let Some(flaw) = interval.flaw else {
            self.lasted = Nanoseconds::ZERO;
            self.usual = Some(time);
            return interval;
        };
        self.lasted += time;
        let Some(foretold) = foretold.map(|power| power * time) else { return interval };
        let energy = if flaw == Flaw::Clipped { foretold.max(interval.energy) } else { foretold };
        self.reckoned += energy;
        let age = (self.lasted.0 as f64 / GROWS_OVER.0 as f64).min(1.0);
        let sigma = (DEVIATIONS.0 + (DEVIATIONS.1 - DEVIATIONS.0) * age) * energy.0 as f64;
        Interval { energy, sigma, provenance: interval.provenance.max(Provenance::Fused), ..interval }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;

    fn interval(second: u64, joules: u64, flaw: Option<Flaw>) -> Interval {
        let at = |second: u64| Timestamp(second * Nanoseconds::SECOND.0);
        Interval {
            from: at(second),
            to: at(second + 1),
            energy: Microjoules(joules * 1_000_000),
            sigma: 0.0,
            timing: 0.0,
            provenance: Provenance::Measured,
            steady: true,
            flaw,
            source: 0,
        }
    }

    #[test]
    fn what_is_cut_off_is_put_back_and_is_the_less_sure_the_longer_it_lasts() {
        let mut bridge = Bridge::default();
        let mut over = |second, flaw, watts: Option<f64>| bridge.over(interval(second, 8, flaw), watts.map(Watts));
        assert_eq!(over(0, None, Some(12.0)), interval(0, 8, None));
        let first = over(1, Some(Flaw::Clipped), Some(12.0));
        assert_eq!((first.energy, first.provenance), (Microjoules(12_000_000), Provenance::Fused));
        assert_eq!(over(2, Some(Flaw::Clipped), Some(5.0)).energy, Microjoules(8_000_000), "at least what it says");
        let later = (3..300).map(|second| over(second, Some(Flaw::Stuck), Some(12.0)));
        let late = later.last().expect("there are some");
        assert!(late.sigma > 2.0 * first.sigma, "{late:?} after {first:?}");
        over(300, None, Some(12.0));
        assert!(over(301, Some(Flaw::Stuck), Some(12.0)).sigma <= first.sigma);
        assert_eq!(over(302, Some(Flaw::Stuck), None).energy, Microjoules(8_000_000), "nothing is known");
    }

    #[test]
    fn a_power_after_a_long_silence_says_nothing_of_it() {
        let mut bridge = Bridge::default();
        assert!(!bridge.is_silence(Nanoseconds(60 * Nanoseconds::SECOND.0)), "it may be its interval");
        bridge.over(interval(0, 8, None), None);
        assert!(!bridge.is_silence(Nanoseconds(3 * Nanoseconds::SECOND.0)));
        assert!(bridge.is_silence(Nanoseconds(4 * Nanoseconds::SECOND.0)));
    }
}
