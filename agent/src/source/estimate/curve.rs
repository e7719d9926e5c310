//! Power from utilisation.

/// Power at these utilisations, as parts of the TDP: 0.12 idle, 0.32 at 10 %, 0.75 at 50 %, 1.02 at full load
/// (B. Davy, "Building an AWS EC2 Carbon Emissions Dataset", Teads Engineering 2021; Boavizta's method uses the same
/// four points). Between them a straight line.
const POINTS: [(f64, f64); 4] = [(0.0, 0.12), (0.1, 0.32), (0.5, 0.75), (1.0, 1.02)];

/// The part of the TDP that an idle package draws, where nothing else is known.
pub(super) const IDLE_SHARE: f64 = POINTS[0].1;

/// A package's power in parts of its TDP, at a utilisation between 0 and 1. With another idle share the curve keeps
/// its shape and its end: it is stretched between the two.
pub(super) fn share_of_tdp(utilisation: f64, idle_share: f64) -> f64 {
    let utilisation = utilisation.clamp(0.0, 1.0);
    let full = POINTS[3].1;
    let segment = POINTS.windows(2).find(|pair| utilisation <= pair[1].0).unwrap_or(&POINTS[2..]);
    let [(from, low), (to, high)] = [segment[0], segment[1]];
    let usual = low + (high - low) * (utilisation - from) / (to - from);
    idle_share + (usual - IDLE_SHARE) / (full - IDLE_SHARE) * (full - idle_share)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(one: f64, other: f64) -> bool {
        (one - other).abs() < 1e-12
    }

    #[test]
    fn the_curve_goes_through_its_points() {
        for (utilisation, share) in POINTS {
            assert!(close(share_of_tdp(utilisation, IDLE_SHARE), share), "{utilisation}");
        }
        assert!(close(share_of_tdp(0.3, IDLE_SHARE), 0.535));
    }

    #[test]
    fn another_idle_share_moves_the_beginning_and_not_the_end() {
        assert!(close(share_of_tdp(0.0, 0.4), 0.4));
        assert!(close(share_of_tdp(1.0, 0.4), 1.02));
    }

    #[test]
    fn more_load_never_means_less_power() {
        for idle_share in [0.0, 0.12, 0.5, 1.0] {
            let powers: Vec<f64> = (0..=100).map(|x| share_of_tdp(f64::from(x) / 100.0, idle_share)).collect();
            assert!(powers.is_sorted(), "{idle_share}");
        }
    }
}
