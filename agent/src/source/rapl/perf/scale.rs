//! What one count of an event is worth.

use crate::units::Microjoules;

/// Energy per count.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Scale {
    /// 2^-n joules, which integers convert without a loss. RAPL's events are 2^-32 J (arch/x86/events/rapl.c).
    TwoToTheMinus(u32),
    /// Any other number of joules.
    Joules(f64),
}

impl Scale {
    /// From a `.scale` file; `None` if that is no positive number.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let joules: f64 = text.trim().parse().ok().filter(|joules: &f64| joules.is_finite() && *joules > 0.0)?;
        let power = (0..64).find(|&power| (-f64::from(power)).exp2().to_bits() == joules.to_bits());
        Some(power.map_or(Self::Joules(joules), Self::TwoToTheMinus))
    }

    /// The energy of `count` counts, rounded down to whole microjoules, so that a counter of them never falls: where it
    /// is more than fits, it stays at the largest.
    pub(super) fn energy(self, count: u64) -> Microjoules {
        Microjoules(match self {
            Self::TwoToTheMinus(power) => u64::try_from((u128::from(count) * 1_000_000) >> power).unwrap_or(u64::MAX),
            Self::Joules(joules) => (count as f64 * joules * 1e6) as u64,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_kernels_scale_is_exact() {
        let scale = Scale::parse("2.3283064365386962890625e-10\n").expect("a number");
        assert_eq!(scale, Scale::TwoToTheMinus(32));
        assert_eq!(scale.energy(1 << 32), Microjoules(1_000_000));
        assert_eq!(scale.energy(u64::MAX), Microjoules(4_294_967_295_999_999));
        assert_eq!(Scale::TwoToTheMinus(0).energy(u64::MAX), Microjoules(u64::MAX));
    }

    #[test]
    fn other_scales_are_taken_as_they_are_and_nonsense_is_refused() {
        assert_eq!(Scale::parse("1e-6").map(|scale| scale.energy(17)), Some(Microjoules(17)));
        for text in ["", "-1", "0", "nan", "inf", "joules"] {
            assert_eq!(Scale::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn energy_never_falls_and_is_off_by_less_than_a_microjoule(count: u64, more in 0_u64..1 << 40) {
            let scale = Scale::TwoToTheMinus(32);
            let count = count.min(u64::MAX - more);
            prop_assert!(scale.energy(count + more) >= scale.energy(count));
            let exact = u128::from(count) * 1_000_000;
            let given = u128::from(scale.energy(count).0) << 32;
            prop_assert!(exact - given < 1 << 32);
        }
    }
}
