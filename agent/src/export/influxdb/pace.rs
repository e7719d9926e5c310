//! When an interval ends: with the window that ends nearest to it.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::units::Nanoseconds;

/// Intervals of whole windows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    interval: Nanoseconds,
    /// When the last window ended, and how long it was.
    closed: Timestamp,
    window: Nanoseconds,
}

impl Pace {
    /// From a window's end on.
    pub(super) fn new(interval: Duration, closed: Timestamp) -> Self {
        Self { interval: interval.into(), closed, window: Nanoseconds::ZERO }
    }

    /// Whether the interval that began at `from` ends with the window that has ended `now`. Windows may change in
    /// length.
    pub(super) fn is_due(&mut self, from: Timestamp, now: Timestamp) -> bool {
        self.window = now.since(self.closed);
        self.closed = now;
        now.since(from).0 + self.window.0 / 2 >= self.interval.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_whole_windows_however_late_one_is_told_of() {
        let millis = |millis: u64| Timestamp(millis * 1_000_000);
        let mut pace = Pace::new(Duration::from_secs(1), millis(0));
        let due: Vec<u64> = (1..=30)
            .map(|window: u64| window * 100 + window % 3 * 9)
            .filter(|now| {
                let from = millis(now.saturating_sub(50) / 1000 * 1000);
                pace.is_due(from, millis(*now))
            })
            .collect();
        assert_eq!(due, [1009, 2018, 3000]);
    }

    #[test]
    fn one_that_is_as_long_as_a_window_ends_with_each() {
        let mut pace = Pace::new(Duration::from_millis(100), Timestamp(0));
        for (from, now) in [(0, 100), (100, 199), (199, 301)] {
            assert!(pace.is_due(Timestamp(from * 1_000_000), Timestamp(now * 1_000_000)));
        }
    }
}
