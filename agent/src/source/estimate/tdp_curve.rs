//! Power from a thermal design power.

use crate::units::Watts;

use super::load_points::LoadPoints;

/// Power at these loads (per cent), as parts of the TDP: 0.12 idle, 0.32 at 10 %, 0.75 at 50 %, 1.02 at full load
/// (B. Davy, "Building an AWS EC2 Carbon Emissions Dataset", Teads Engineering 2021; Boavizta's method uses the same
/// four points).
pub(super) const POINTS: [(f64, f64); 4] = [(0.0, 0.12), (10.0, 0.32), (50.0, 0.75), (100.0, 1.02)];

/// The part of the TDP that an idle package draws, where nothing else is known.
pub(super) const IDLE_SHARE: f64 = POINTS[0].1;

/// A package's power by its load. With another idle share the curve keeps its shape and its end: it is stretched between the
/// two. `None` for a TDP or a share that is none.
pub(super) fn by_tdp(Watts(tdp): Watts, idle_share: f64) -> Option<LoadPoints> {
    let full = POINTS[3].1;
    let stretched = |(load, usual): (f64, f64)| {
        (load, idle_share + (usual - IDLE_SHARE) / (full - IDLE_SHARE) * (full - idle_share))
    };
    LoadPoints::new(POINTS.map(stretched).map(|(load, share)| (load, share * tdp)).into()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(idle_share: f64, load: f64) -> f64 {
        by_tdp(Watts(1.0), idle_share).unwrap().at(load).0
    }

    fn close(one: f64, other: f64) -> bool {
        (one - other).abs() < 1e-12
    }

    #[test]
    fn the_curve_goes_through_its_points() {
        for (load, share) in POINTS {
            assert!(close(at(IDLE_SHARE, load), share), "{load}");
        }
        assert!(close(at(IDLE_SHARE, 30.0), 0.535));
    }

    #[test]
    fn another_idle_share_moves_the_beginning_and_not_the_end() {
        assert!(close(at(0.4, 0.0), 0.4));
        assert!(close(at(0.4, 100.0), 1.02));
    }

    #[test]
    fn more_load_never_means_less_power() {
        for idle_share in [0.0, 0.12, 0.5, 1.0] {
            let powers: Vec<f64> = (0..=100).map(|load| at(idle_share, f64::from(load))).collect();
            assert!(powers.is_sorted(), "{idle_share}");
        }
    }
}
