//! How often a subscriber hears, in whole windows.

use std::time::Duration;

use tonic::Status;

use crate::snapshot::Generation;
use crate::units::Nanoseconds;

/// What is granted where nothing is asked for, and the finest that is given beyond this machine: finer energy figures
/// tell of the secrets that a program computes with (Lipp et al., PLATYPUS, IEEE S&P 2021).
const SECOND: Nanoseconds = Nanoseconds::SECOND;
const COARSEST: Nanoseconds = Nanoseconds(3600 * Nanoseconds::SECOND.0);

/// A number of windows between two messages; at least 1. All that have the same number tell at the same windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Stride(u64);

impl Stride {
    /// Whether a message is due at window `now`, when the one before was at window `told`.
    pub(super) fn due(self, told: Generation, now: Generation) -> bool {
        now.0 / self.0 > told.0 / self.0
    }
}

/// What resolutions can be had.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    window: Nanoseconds,
    finest: u64,
}

impl Pace {
    /// With windows of this length; `held` where nothing finer than a second may be given.
    pub(super) fn new(window: Duration, held: bool) -> Self {
        let window = Nanoseconds::from(window.max(Duration::from_millis(1)));
        Self { window, finest: if held { SECOND.0.div_ceil(window.0) } else { 1 } }
    }

    /// The finest that is given.
    pub(super) fn finest(self) -> Stride {
        Stride(self.finest)
    }

    /// Whether something finer than a window is held back.
    pub(super) fn is_held(self) -> bool {
        self.finest > 1
    }

    /// What is granted to who asks for this. Multiples of the finest, so that no two of them together tell more.
    pub(super) fn grant(self, asked: Option<prost_types::Duration>) -> Result<Stride, Status> {
        let asked = match asked {
            None => SECOND,
            Some(asked) => match Duration::try_from(asked) {
                Ok(Duration::ZERO) => SECOND,
                Ok(span) => Nanoseconds::from(span).min(COARSEST),
                Err(_) => {
                    return Err(Status::invalid_argument("resolution has to be zero or more, for example 100 ms"));
                }
            },
        };
        Ok(Stride(asked.0.div_ceil(self.window.0 * self.finest).max(1) * self.finest))
    }

    /// The time between two messages.
    pub(super) fn resolution(self, stride: Stride) -> prost_types::Duration {
        let nanoseconds = self.window.0 * stride.0;
        prost_types::Duration {
            seconds: (nanoseconds / SECOND.0).cast_signed(),
            nanos: (nanoseconds % SECOND.0) as i32,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn granted(pace: Pace, asked: Option<(i64, i32)>) -> Option<(i64, i32)> {
        let asked = asked.map(|(seconds, nanos)| prost_types::Duration { seconds, nanos });
        pace.grant(asked).ok().map(|stride| pace.resolution(stride)).map(|span| (span.seconds, span.nanos))
    }

    #[test]
    fn grants_are_whole_windows_and_bounded() {
        let here = Pace::new(Duration::from_millis(100), false);
        assert_eq!(granted(here, None), Some((1, 0)));
        assert_eq!(granted(here, Some((0, 0))), Some((1, 0)));
        assert_eq!(granted(here, Some((0, 1))), Some((0, 100_000_000)));
        assert_eq!(granted(here, Some((0, 150_000_000))), Some((0, 200_000_000)));
        assert_eq!(granted(here, Some((i64::MAX, 0))), Some((3600, 0)));
        assert_eq!(granted(here, Some((-1, 0))), None);
        let slow = Pace::new(Duration::from_secs(10), false);
        assert_eq!(granted(slow, None), Some((10, 0)));
    }

    #[test]
    fn beyond_this_machine_nothing_is_finer_than_a_second() {
        let held = Pace::new(Duration::from_millis(300), true);
        assert_eq!(granted(held, Some((0, 1))), Some((1, 200_000_000)));
        assert_eq!(granted(held, Some((1, 500_000_000))), Some((2, 400_000_000)));
    }

    #[test]
    fn messages_are_due_on_the_same_windows_for_all_and_skipped_windows_lose_none() {
        let stride = Stride(3);
        let due: Vec<u64> = (1..10).filter(|&now| stride.due(Generation(now - 1), Generation(now))).collect();
        assert_eq!(due, [3, 6, 9]);
        assert!(stride.due(Generation(2), Generation(8)));
    }
}
