//! How long fusion waits, and how much it keeps meanwhile.

use crate::units::{Nanoseconds, Watts};

/// Bounds of fusion's patience and memory.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// How many windows of activity wait for a zone's readings before the oldest are joined into one.
    pub pending_windows: usize,
    /// How long they wait before that.
    pub pending_time: Nanoseconds,
    /// A joined window that grows longer than this forgets who ran in it: its energy is attributed to nobody.
    pub joined_time: Nanoseconds,
    /// The same for a joined window of more slices (distinct consumers and shards) than this.
    pub joined_slices: usize,
    /// How many readings of a zone wait for windows of activity before the newest are added together.
    pub pending_readings: usize,
    /// How long the preferred source of a zone may be silent before the next one takes over. It should be longer than any
    /// meter's interval: each time the preferred one comes back, what the zone used since the other's last reading is not
    /// booked.
    pub silence: Nanoseconds,
    /// Mean power between two readings above which the counter must have jumped: no part of one machine draws that.
    /// Readings closer than 100 ms are judged as if they were 100 ms apart, since counters that are updated every
    /// millisecond make the power over shorter times meaningless.
    pub max_power: Watts,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            pending_windows: 256,
            pending_time: Nanoseconds(10 * Nanoseconds::SECOND.0),
            joined_time: Nanoseconds(600 * Nanoseconds::SECOND.0),
            joined_slices: 100_000,
            pending_readings: 64,
            silence: Nanoseconds(10 * Nanoseconds::SECOND.0),
            max_power: Watts(100_000.0),
        }
    }
}
