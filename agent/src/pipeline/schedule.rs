//! When windows end.

use crate::clock::Timestamp;
use crate::units::Nanoseconds;

/// Window ends at multiples of the window's length after a start. A window that cannot be closed in time is joined with
/// the next ones: time is never left out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Schedule {
    window: Nanoseconds,
    due: Timestamp,
}

impl Schedule {
    pub(super) fn new(start: Timestamp, window: Nanoseconds) -> Self {
        Self { window, due: start + window }
    }

    /// When the running window ends.
    pub(super) fn due(&self) -> Timestamp {
        self.due
    }

    /// The running window was closed at `now`. Returns how many window ends were missed.
    pub(super) fn closed(&mut self, now: Timestamp) -> u64 {
        let missed = now.since(self.due).0 / self.window.0;
        self.due = self.due + Nanoseconds(self.window.0 * (missed + 1));
        missed
    }

    /// Windows have another length from the running one on.
    pub(super) fn set_window(&mut self, now: Timestamp, window: Nanoseconds) {
        if window != self.window {
            *self = Self::new(now, window);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_stay_on_the_grid_however_late_one_is() {
        let mut schedule = Schedule::new(Timestamp(0), Nanoseconds(100));
        assert_eq!((schedule.closed(Timestamp(101)), schedule.due()), (0, Timestamp(200)));
        assert_eq!((schedule.closed(Timestamp(455)), schedule.due()), (2, Timestamp(500)));
        assert_eq!((schedule.closed(Timestamp(500)), schedule.due()), (0, Timestamp(600)));
    }
}
