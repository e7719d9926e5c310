//! How well a shunt and a configured voltage know energy.

use crate::units::{Milliamperes, RelativeUncertainty};

/// Half-width of a uniform distribution over its standard deviation (GUM, JCGM 100:2008, 4.3.7).
const UNIFORM: f64 = 1.732_050_807_568_877_2;
/// What is said of energy counted while the input was at full scale. How much was cut off cannot be known; this is wide
/// enough that nobody takes the figure for a measurement.
const SATURATED: f64 = 0.5;

/// A current-sensing input.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shunt {
    /// The largest current that it can tell.
    pub(crate) full_scale: Milliamperes,
    /// The largest gain error, as a fraction.
    pub(crate) gain_error: f64,
    /// The largest offset.
    pub(crate) offset: Milliamperes,
}

impl Shunt {
    /// INA3221 with a 100 mΩ shunt: 163.8 mV full scale, 0.25 % gain error, ±80 µV offset (TI SBOS576C, 6.5).
    pub(crate) const INA3221_100_MILLIOHM: Self =
        Self { full_scale: Milliamperes(1638.0), gain_error: 0.0025, offset: Milliamperes(0.8) };

    /// Whether the input was at its end, within half its resolution of 0.4 mA.
    pub(crate) fn saturated(self, current: Milliamperes) -> bool {
        current.0 >= self.full_scale.0 - 0.2
    }

    /// The uncertainty of a charge that flowed with this mean current.
    pub(crate) fn uncertainty(self, mean: Milliamperes, saturated: bool) -> RelativeUncertainty {
        let offset = (self.offset.0 / mean.0.max(self.offset.0)).min(1.0);
        let parts = [
            RelativeUncertainty(self.gain_error / UNIFORM),
            RelativeUncertainty(offset / UNIFORM),
            of_saturation(if saturated { 1.0 } else { 0.0 }),
        ];
        combined(&parts)
    }
}

/// Uncertainty of a voltage that is within ±`tolerance` of what was configured, and anywhere there.
pub(crate) fn of_volts(tolerance: f64) -> RelativeUncertainty {
    RelativeUncertainty(tolerance / UNIFORM)
}

/// Uncertainty of energy that was counted at full scale for this share of its time.
pub(crate) fn of_saturation(share: f64) -> RelativeUncertainty {
    RelativeUncertainty(SATURATED * share.clamp(0.0, 1.0))
}

/// Uncertainty of a product of independent factors.
pub(crate) fn combined(parts: &[RelativeUncertainty]) -> RelativeUncertainty {
    RelativeUncertainty(parts.iter().map(|part| part.0 * part.0).sum::<f64>().sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_volts_within_five_percent_dominate_the_deployed_meter() {
        let shunt = Shunt::INA3221_100_MILLIOHM.uncertainty(Milliamperes(800.0), false);
        let both = combined(&[shunt, of_volts(0.05)]);
        assert!((both.0 - 0.028_91).abs() < 1e-4, "{}", both.0);
    }

    #[test]
    fn small_currents_and_full_scale_are_less_certain() {
        let shunt = Shunt::INA3221_100_MILLIOHM;
        let good = shunt.uncertainty(Milliamperes(800.0), false);
        assert!(shunt.uncertainty(Milliamperes(1.0), false) > good);
        assert!(shunt.uncertainty(Milliamperes(0.0), false).0 <= 1.0);
        assert!(shunt.uncertainty(Milliamperes(1638.0), true).0 > 0.5);
        assert!(shunt.saturated(Milliamperes(1638.0)) && !shunt.saturated(Milliamperes(1637.6)));
    }
}
