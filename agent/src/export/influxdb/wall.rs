//! Wall time for the points. It follows the machine's clock, which may be set while the agent runs and goes on while
//! the machine sleeps.

use crate::clock::{Timestamp, WallAnchor};
use crate::units::Nanoseconds;

/// What the clock may be off by before it counts as set.
const TOLERANCE: Nanoseconds = Nanoseconds(100_000_000);

/// The wall time of monotonic instants.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wall(WallAnchor);

impl Wall {
    pub(super) fn new(anchor: WallAnchor) -> Self {
        Self(anchor)
    }

    /// Goes by the clock as it is now, at `at`, if it was set; whether it was.
    pub(super) fn follow(&mut self, now: WallAnchor, at: Timestamp) -> bool {
        let was_set = now.unix(at).0.abs_diff(self.0.unix(at).0) > TOLERANCE.0;
        if was_set {
            self.0 = now;
        }
        was_set
    }

    /// Nanoseconds since the Unix epoch.
    pub(super) fn unix(&self, at: Timestamp) -> Nanoseconds {
        self.0.unix(at)
    }
}
