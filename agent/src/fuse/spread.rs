//! The model that spreads one interval's energy over the windows that it was used in.

use crate::apportion::proportional_quota;
use crate::units::{Microjoules, Nanoseconds, Watts};

/// How far the dynamic energy of a CPU second may be off its mean (one sigma, relative), before that is learned. The same CPU time can mean 50 %
/// different energy (Wattmeter, `HotCarbon` 2024: instruction mix, memory traffic, SMT, frequency); half of that to
/// either side.
pub(super) const MODEL_DEVIATION: f64 = 0.25;

/// The common part of one interval between readings and one window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Piece {
    /// How long it is.
    pub(super) time: Nanoseconds,
    /// CPU time of consumers in it, in nanoseconds; or what a model says that they have drawn, in any unit.
    pub(super) busy: f64,
}

/// What falls to one piece, in microjoules.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Quota {
    /// The energy, not rounded yet.
    pub(super) energy: f64,
    /// The model's variance of it, in square microjoules.
    pub(super) variance: f64,
}

/// Spreads `energy` over `pieces`: static power by time; what is above it by busy time, or by time too where nobody was
/// busy. Less energy than static power would need is spread by time alone.
///
/// The variance of a piece that has the fraction `w` of the dynamic energy, `d = w D`, is `(r d)^2 (1 - w)` with
/// r the `unsteadiness`: that of n equal pieces whose power deviates independently by r but whose sum is known.
/// A piece that has it all (w = 1) is as sure as the reading.
pub(super) fn quotas(energy: Microjoules, pieces: &[Piece], static_power: Watts, unsteadiness: f64) -> Vec<Quota> {
    let time: Nanoseconds = pieces.iter().map(|piece| piece.time).sum();
    let busy: f64 = pieces.iter().map(|piece| piece.busy).sum();
    let static_energy = (static_power * time).min(energy);
    let dynamic = (energy - static_energy).0 as f64;
    pieces
        .iter()
        .map(|piece| {
            let by_time = proportional_quota(piece.time.0 as f64, time.0 as f64, 1.0);
            let weight = if busy > 0.0 { piece.busy / busy } else { by_time };
            let base = proportional_quota(piece.time.0 as f64, time.0 as f64, static_energy.0 as f64);
            let above = proportional_quota(weight, 1.0, dynamic);
            let variance = (unsteadiness * above).powi(2) * (1.0 - weight).max(0.0);
            Quota { energy: base + above, variance }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spread(energy: u64, pieces: &[(u64, f64)], watts: f64) -> Vec<f64> {
        let pieces: Vec<Piece> =
            pieces.iter().map(|&(millis, busy)| Piece { time: Nanoseconds::from_millis(millis), busy }).collect();
        quotas(Microjoules(energy), &pieces, Watts(watts), MODEL_DEVIATION).iter().map(|quota| quota.energy).collect()
    }

    #[test]
    fn static_power_goes_by_time_and_the_rest_by_busy_time() {
        assert_eq!(
            spread(3_000_000, &[(500, 0.0), (500, 4.0), (1000, 12.0)], 1.0),
            [500_000.0, 750_000.0, 1_750_000.0]
        );
    }

    #[test]
    fn time_alone_counts_where_nobody_was_busy_or_power_is_below_the_static_one() {
        assert_eq!(spread(2_000_000, &[(500, 0.0), (1500, 0.0)], 0.5), [500_000.0, 1_500_000.0]);
        assert_eq!(spread(2_000_000, &[(500, 9.0), (1500, 0.0)], 9.0), [500_000.0, 1_500_000.0]);
    }

    #[test]
    fn the_model_adds_no_doubt_where_one_piece_has_it_all() {
        let found =
            quotas(Microjoules(1000), &[Piece { time: Nanoseconds(10), busy: 3.0 }], Watts(0.0), MODEL_DEVIATION);
        assert_eq!(found, [Quota { energy: 1000.0, variance: 0.0 }]);
    }
}
