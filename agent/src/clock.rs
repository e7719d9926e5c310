//! The one time line of the agent: `CLOCK_MONOTONIC`, which is also what the kernel programs stamp with
//! (`bpf_ktime_get_ns`, kernel/bpf/helpers.c). Wall time is anchored to it once, for the outside world only.

use std::ops::{Add, Sub};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

use crate::units::Nanoseconds;

/// A point on the monotonic time line, in nanoseconds since an arbitrary start (on Linux: boot, without suspend).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// Now. The pure part of the agent never calls this; it is handed its timestamps.
    pub fn now() -> Self {
        let now = clock_gettime(ClockId::Monotonic);
        Self(now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64)
    }

    /// How long the machine was suspended so far: how much later its boot clock is than this one.
    pub fn suspended() -> Nanoseconds {
        let [boot, monotonic] = [ClockId::Boottime, ClockId::Monotonic].map(|clock| {
            let now = clock_gettime(clock);
            now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
        });
        // The clocks are read one after the other: what is less than a millisecond is that.
        Nanoseconds(boot.saturating_sub(monotonic) / 1_000_000 * 1_000_000)
    }

    /// The span since `earlier`, or zero where `earlier` is later.
    pub fn since(self, earlier: Self) -> Nanoseconds {
        Nanoseconds(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Nanoseconds> for Timestamp {
    type Output = Self;
    fn add(self, span: Nanoseconds) -> Self {
        Self(self.0 + span.0)
    }
}

impl Sub<Nanoseconds> for Timestamp {
    type Output = Self;
    fn sub(self, span: Nanoseconds) -> Self {
        Self(self.0.saturating_sub(span.0))
    }
}

/// A point in wall time, in whole seconds since the Unix epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnixSeconds(pub u64);

/// The wall time that belongs to a monotonic instant, taken once, so that exported times never jump with the wall clock.
#[derive(Clone, Copy, Debug)]
pub struct WallAnchor {
    monotonic: Timestamp,
    unix: Nanoseconds,
}

impl WallAnchor {
    /// Reads both clocks now.
    pub fn take() -> Self {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Self { monotonic: Timestamp::now(), unix: unix.into() }
    }

    /// Of a time line that is wall time itself, as nanoseconds since the Unix epoch.
    pub fn unix_time() -> Self {
        Self { monotonic: Timestamp::default(), unix: Nanoseconds::ZERO }
    }

    /// The monotonic instant of a wall time in nanoseconds since the Unix epoch; the earliest there is for one before that.
    pub fn monotonic(&self, unix: i64) -> Timestamp {
        let moved = i128::from(unix) - i128::from(self.unix.0) + i128::from(self.monotonic.0);
        Timestamp(u64::try_from(moved.max(0)).unwrap_or(u64::MAX))
    }

    /// Nanoseconds since the Unix epoch at `at`.
    pub fn unix(&self, at: Timestamp) -> Nanoseconds {
        Nanoseconds((self.unix.0 + at.0).saturating_sub(self.monotonic.0))
    }

    /// The same in whole seconds.
    pub fn unix_seconds(&self, at: Timestamp) -> UnixSeconds {
        UnixSeconds(self.unix(at).0 / Nanoseconds::SECOND.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wall_clock_that_jumps_moves_only_what_is_anchored_after_it() {
        let before = WallAnchor { monotonic: Timestamp(50), unix: Nanoseconds(1_000) };
        let set_back = WallAnchor { monotonic: Timestamp(60), unix: Nanoseconds(500) };
        assert_eq!(before.unix(Timestamp(70)), Nanoseconds(1_020), "what is exported does not jump");
        assert_eq!(before.monotonic(1_020), Timestamp(70));
        assert_eq!(set_back.monotonic(510), Timestamp(70), "who reports by the new time means the same moment");
        assert_eq!(before.monotonic(-1), Timestamp(0), "a clock that was never set");
        assert_eq!(before.monotonic(i64::MAX), Timestamp(i64::MAX as u64 - 950), "one that is centuries ahead");
    }

    #[test]
    fn suspended_time_is_whole_milliseconds_and_does_not_come_from_reading_two_clocks() {
        let suspended = Timestamp::suspended();
        assert_eq!(suspended.0 % 1_000_000, 0);
        assert!((0..1_000).all(|_| Timestamp::suspended().0.abs_diff(suspended.0) <= 1_000_000));
    }

    #[test]
    fn wall_time_moves_with_the_monotonic_clock() {
        let anchor = WallAnchor { monotonic: Timestamp(50), unix: Nanoseconds(1_000) };
        assert_eq!(anchor.unix(Timestamp(70)), Nanoseconds(1_020));
        assert_eq!(anchor.unix(Timestamp(30)), Nanoseconds(980));
        assert_eq!(anchor.unix_seconds(Timestamp(2 * Nanoseconds::SECOND.0)), UnixSeconds(2));
    }
}
