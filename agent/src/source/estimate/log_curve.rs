//! Power that rises with the logarithm of load.

use serde::{Deserialize, Serialize};

use crate::units::Watts;

use super::zone_power::millionths;

/// Between these the load that is added before the logarithm is taken is looked for, per cent. The first bends the curve as
/// much as anything does, the second not at all.
const LEAST_SHIFT: f64 = 0.01;
const MOST_SHIFT: f64 = 1e5;
/// How many shifts are tried, and how often the best of them is made better.
const TRIED: u32 = 200;
const REFINED: u32 = 100;

/// `P(x) = a ln(b (x + c)) + d` watts at a load of x per cent: Boavizta's consumption profile of a processor.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogCurve {
    /// Watts.
    pub a: f64,
    /// By per cent.
    pub b: f64,
    /// Per cent.
    pub c: f64,
    /// Watts.
    pub d: f64,
}

impl LogCurve {
    /// The one that comes nearest to points of load (per cent) and power (watts), by least squares. `a ln b` and `d` cannot be
    /// told apart, so that d is 0. `None` for less than three loads, and for power that does not rise.
    pub fn fit(points: &[(f64, f64)]) -> Option<Self> {
        let mut loads: Vec<f64> = points.iter().map(|(load, _)| *load).collect();
        loads.sort_by(f64::total_cmp);
        loads.dedup();
        if loads.len() < 3 || loads[0] < 0.0 {
            return None;
        }
        let (least, most) = (LEAST_SHIFT.ln(), MOST_SHIFT.ln());
        let step = (most - least) / f64::from(TRIED);
        let error = |shift: f64| Line::fit(points, shift.exp()).error;
        let tried = (0..=TRIED).map(|index| least + step * f64::from(index));
        let best = tried.min_by(|one, other| error(*one).total_cmp(&error(*other)))?;
        let (mut low, mut high) = (best - step, best + step);
        for _ in 0..REFINED {
            let third = (high - low) / 3.0;
            if error(low + third) <= error(high - third) { high -= third } else { low += third }
        }
        let c = f64::midpoint(low, high).exp();
        let Line { slope, intercept, .. } = Line::fit(points, c);
        let curve = Self { a: slope, b: (intercept / slope).exp(), c, d: 0.0 };
        (slope > 0.0 && curve.is_good()).then_some(curve)
    }

    /// Whether it is a power of 0 or more at every load, and does not fall.
    pub(super) fn is_good(&self) -> bool {
        let Self { a, b, c, d } = *self;
        let finite = [a, b, c, d].iter().all(|value| value.is_finite());
        finite && a >= 0.0 && b > 0.0 && c > 0.0 && self.at(0.0).0 >= 0.0 && self.at(100.0).0.is_finite()
    }

    /// Power at a load in per cent.
    pub(super) fn at(&self, load: f64) -> Watts {
        let Self { a, b, c, d } = *self;
        Watts(a * (b * (load.clamp(0.0, 100.0) + c)).ln() + d)
    }

    /// The same with every number to a millionth.
    pub(super) fn rounded(self) -> Self {
        let Self { a, b, c, d } = self;
        Self { a: millionths(a), b: millionths(b), c: millionths(c), d: millionths(d) }
    }

    /// So many times its power.
    pub(super) fn times(self, factor: f64) -> Self {
        Self { a: self.a * factor, d: self.d * factor, ..self }
    }

    /// So much power more at every load.
    pub(super) fn plus(self, Watts(watts): Watts) -> Self {
        Self { d: self.d + watts, ..self }
    }
}

/// A straight line through the points, with the load's logarithm for the load.
struct Line {
    slope: f64,
    intercept: f64,
    /// The sum of the squares that it leaves.
    error: f64,
}

impl Line {
    fn fit(points: &[(f64, f64)], shift: f64) -> Self {
        let count = points.len() as f64;
        let logarithm = |load: f64| (load + shift).ln();
        let mean_x = points.iter().map(|(load, _)| logarithm(*load)).sum::<f64>() / count;
        let mean_y = points.iter().map(|(_, watts)| watts).sum::<f64>() / count;
        let square: f64 = points.iter().map(|(load, _)| (logarithm(*load) - mean_x).powi(2)).sum();
        let product: f64 = points.iter().map(|(load, watts)| (logarithm(*load) - mean_x) * (watts - mean_y)).sum();
        let slope = product / square;
        let intercept = mean_y - slope * mean_x;
        let error = points.iter().map(|(load, watts)| (slope * logarithm(*load) + intercept - watts).powi(2)).sum();
        Self { slope, intercept, error }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn too_little_and_what_does_not_rise_is_no_curve() {
        for points in [
            &[][..],
            &[(0.0, 1.0), (100.0, 2.0)],
            &[(0.0, 1.0), (0.0, 1.0), (100.0, 2.0)],
            &[(0.0, 5.0), (50.0, 4.0), (100.0, 3.0)],
            &[(0.0, 5.0), (50.0, 5.0), (100.0, 5.0)],
        ] {
            assert_eq!(LogCurve::fit(points), None, "{points:?}");
        }
    }

    #[test]
    fn a_line_that_is_straight_is_followed_too() {
        let curve = LogCurve::fit(&[(0.0, 10.0), (50.0, 20.0), (100.0, 30.0)]).unwrap();
        for (load, watts) in [(0.0, 10.0), (25.0, 15.0), (100.0, 30.0)] {
            assert!((curve.at(load).0 - watts).abs() < 0.05, "{load}: {}", curve.at(load));
        }
    }

    proptest! {
        /// Points of a curve give that curve back: its a and c, and its power at every load.
        #[test]
        fn a_fit_recovers_what_the_points_are_of(
            a in 1.0..300.0_f64,
            c in 0.5..100.0_f64,
            idle in 0.1..100.0_f64,
            loads in prop::collection::btree_set(0_u32..=100, 4..12),
        ) {
            let curve = LogCurve { a, b: 1.0 / c, c, d: idle };
            prop_assume!(loads.last().unwrap() - loads.first().unwrap() >= 30);
            let points: Vec<_> = loads.iter().map(|load| (f64::from(*load), curve.at(f64::from(*load)).0)).collect();
            let found = LogCurve::fit(&points).unwrap();
            prop_assert!((found.a / a - 1.0).abs() < 1e-3 && (found.c / c - 1.0).abs() < 1e-2, "{curve:?} {found:?}");
            for (load, watts) in points {
                prop_assert!((found.at(load).0 - watts).abs() < 1e-3 * watts.max(1.0), "{curve:?} {found:?}");
            }
        }

        #[test]
        fn more_load_never_means_less_power(
            points in prop::collection::vec((0.0..100.0_f64, 0.0..1000.0_f64), 3..10),
            one in 0.0..100.0_f64,
            other in 0.0..100.0_f64,
        ) {
            if let Some(curve) = LogCurve::fit(&points) {
                prop_assert!(curve.at(one.min(other)).0 <= curve.at(one.max(other)).0);
            }
        }
    }
}
