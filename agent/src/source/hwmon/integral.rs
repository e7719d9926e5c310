//! From samples of power to a counter of energy.

use crate::clock::Timestamp;
use crate::units::{Microjoules, Nanoseconds};

/// Power in whole microwatts, the unit of hwmon's `power*_input` (Documentation/hwmon/sysfs-interface.rst).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Microwatts(pub(super) u64);

/// What half a microwatt over one nanosecond is counted in: 2 x 10^9 of them are a microjoule.
const PER_MICROJOULE: u128 = 2_000_000_000;

/// The energy under straight lines between samples (the trapezoidal rule), in integers, so that nothing is lost to
/// rounding however long it runs.
#[derive(Debug, Default)]
pub(super) struct Integral {
    total: Microjoules,
    /// What is short of a whole microjoule.
    rest: u128,
    last: Option<(Timestamp, Microwatts)>,
}

/// What a sample added.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Step {
    /// It is the first one, or not later than the one before.
    Nothing,
    /// A line from the sample before. The true mean may lie anywhere between the two samples: this is one sigma of
    /// that, relative to their mean, |a - b| / (sqrt(12) (a + b) / 2).
    Line { spread: f64 },
    /// The sample before is too long ago for a straight line: the energy since then is not known and not counted.
    Gap(Nanoseconds),
}

impl Integral {
    /// The energy so far.
    pub(super) fn total(&self) -> Microjoules {
        self.total
    }

    /// Forgets the last sample: the next one begins anew.
    pub(super) fn interrupt(&mut self) {
        self.last = None;
    }

    /// Takes a sample; a line is drawn from the sample before if that is at most `longest` ago.
    pub(super) fn add(&mut self, at: Timestamp, power: Microwatts, longest: Nanoseconds) -> Step {
        let Some((before, earlier)) = self.last else {
            self.last = Some((at, power));
            return Step::Nothing;
        };
        if at <= before {
            return Step::Nothing;
        }
        self.last = Some((at, power));
        let time = at.since(before);
        if time > longest {
            return Step::Gap(time);
        }
        let both = u128::from(earlier.0) + u128::from(power.0);
        self.rest += both * u128::from(time.0);
        self.total += Microjoules((self.rest / PER_MICROJOULE) as u64);
        self.rest %= PER_MICROJOULE;
        let spread = if both == 0 { 0.0 } else { power.0.abs_diff(earlier.0) as f64 / (3_f64.sqrt() * both as f64) };
        Step::Line { spread }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LONGEST: Nanoseconds = Nanoseconds(1_000_000_000);

    #[test]
    fn constant_power_is_power_times_time() {
        let mut integral = Integral::default();
        for millisecond in 0..=1_000 {
            integral.add(Timestamp(millisecond * 1_000_000), Microwatts(7_350_001), LONGEST);
        }
        assert_eq!(integral.total(), Microjoules(7_350_001));
    }

    #[test]
    fn a_gap_is_told_and_not_filled() {
        let mut integral = Integral::default();
        integral.add(Timestamp(0), Microwatts(1_000_000), LONGEST);
        let step = integral.add(Timestamp(5_000_000_000), Microwatts(1_000_000), LONGEST);
        assert_eq!(step, Step::Gap(Nanoseconds(5_000_000_000)));
        assert_eq!(integral.total(), Microjoules::ZERO);
        integral.add(Timestamp(6_000_000_000), Microwatts(1_000_000), LONGEST);
        assert_eq!(integral.total(), Microjoules(1_000_000));
    }

    #[test]
    fn a_sample_from_the_past_changes_nothing() {
        let mut integral = Integral::default();
        integral.add(Timestamp(10), Microwatts(5), LONGEST);
        assert_eq!(integral.add(Timestamp(10), Microwatts(50), LONGEST), Step::Nothing);
        assert_eq!(integral.add(Timestamp(9), Microwatts(50), LONGEST), Step::Nothing);
    }

    proptest! {
        /// The total is the exact area under the lines, rounded down once and not per sample, and it never falls.
        #[test]
        fn energy_is_the_area_under_the_samples(
            samples in prop::collection::vec((1_u64..900_000_000, 0_u64..400_000_000), 2..200)
        ) {
            let mut integral = Integral::default();
            let mut at = 0;
            let mut twice_the_area = 0_u128;
            let mut before = None;
            let mut total = Microjoules::ZERO;
            for (wait, power) in samples {
                at += wait;
                integral.add(Timestamp(at), Microwatts(power), LONGEST);
                if let Some(earlier) = before.replace(power) {
                    twice_the_area += u128::from(wait) * u128::from(earlier + power);
                }
                prop_assert!(integral.total() >= total);
                total = integral.total();
            }
            prop_assert_eq!(u128::from(total.0), twice_the_area / 2_000_000_000);
        }
    }
}
