//! Charge as energy.

use crate::units::{Microjoules, MilliampereSeconds, Volts};

/// Turns a cumulative charge into cumulative energy at a constant voltage, without losing to rounding: over any number
/// of boots, the energy is within half a microjoule of charge times volts.
#[derive(Clone, Debug)]
pub(crate) struct ChargeEnergy {
    volts: Volts,
    /// What rounding has kept back in earlier boots, in microjoules; within ±0.5.
    carry: f64,
}

impl ChargeEnergy {
    pub(crate) fn new(volts: Volts) -> Self {
        Self { volts, carry: 0.0 }
    }

    /// The energy of `charge`, counted from the beginning of this boot.
    pub(crate) fn total(&self, charge: MilliampereSeconds) -> Microjoules {
        Microjoules(self.unrounded(charge).round().max(0.0) as u64)
    }

    /// Says that the counter begins anew, and that `last` was the last charge of the boot before.
    pub(crate) fn restart(&mut self, last: MilliampereSeconds) {
        self.carry = self.unrounded(last) - self.total(last).0 as f64;
    }

    /// 1 mAs x 1 V = 1 mJ.
    fn unrounded(&self, charge: MilliampereSeconds) -> f64 {
        charge.0 * self.volts.0 * 1e3 + self.carry
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn rounding_does_not_add_up_over_reboots(
            charges in prop::collection::vec(0.0_f64..1e5, 1..50),
            volts in 1.0_f64..30.0,
        ) {
            let mut energy = ChargeEnergy::new(Volts(volts));
            let mut sum = Microjoules::ZERO;
            for &charge in &charges {
                sum += energy.total(MilliampereSeconds(charge));
                energy.restart(MilliampereSeconds(charge));
            }
            let exact = charges.iter().sum::<f64>() * volts * 1e3;
            prop_assert!((sum.0 as f64 - exact).abs() <= 0.51, "{} is not {exact}", sum.0);
        }
    }
}
