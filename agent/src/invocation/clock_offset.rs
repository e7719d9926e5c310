//! How far a reporter's clock is off the node's.
//!
//! A message that is sent at `s` by the reporter's clock and arrives at `a` by the node's has `a - s = offset + delay`, and
//! delays are never negative: the least of several is the offset and the shortest delay (Cristian 1989, with one-way
//! messages). The longest error is that delay, microseconds to milliseconds within a cluster. Clocks that are kept in step
//! are nearer to each other than that: a few milliseconds behind are taken for delay, not for an offset.

use std::collections::VecDeque;

/// Of how many of the latest messages the least is taken: clocks drift and are set.
const MESSAGES: usize = 64;
/// The largest offset that is put right, nanoseconds. Beyond it something else is wrong.
const LARGEST: i64 = 1_000_000_000;
/// The largest delay that a clock which is in step may seem to be behind by, nanoseconds. NTP keeps clocks
/// to tens of microseconds on a fast LAN (RFC 5905, section 1), and to milliseconds across the Internet.
const IN_STEP: i64 = 5_000_000;

/// The offset of one reporter's clock.
#[derive(Clone, Debug, Default)]
pub struct ClockOffset(VecDeque<i64>);

impl ClockOffset {
    /// A message was sent at one time by the reporter's clock and arrived at another by the node's, both in nanoseconds
    /// since the Unix epoch.
    pub fn message(&mut self, sent_unix: i64, arrived_unix: i64) {
        if self.0.len() == MESSAGES {
            self.0.pop_front();
        }
        self.0.push_back(arrived_unix.saturating_sub(sent_unix));
    }

    /// What has to be added to the reporter's times, in nanoseconds: -1 s to 1 s.
    pub fn nanoseconds(&self) -> i64 {
        match self.most() {
            None | Some(0..=IN_STEP) => 0,
            Some(least) => least,
        }
    }

    /// The most that may be added to the reporter's times so that no message arrives before it was sent, nanoseconds: -1 s
    /// to 1 s; `None` before the first.
    pub fn most(&self) -> Option<i64> {
        self.0.iter().min().map(|least| (*least).clamp(-LARGEST, LARGEST))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shortest_delay_tells_the_offset() {
        let mut offset = ClockOffset::default();
        assert_eq!(offset.nanoseconds(), 0);
        // The reporter is 300 ms ahead; delays are 1 to 40 ms.
        for delay in [40, 7, 1, 25] {
            offset.message(1_300_000_000, 1_000_000_000 + delay * 1_000_000);
        }
        assert_eq!(offset.nanoseconds(), -299_000_000);
        // Its clock is set right: after some messages that is what counts.
        for _ in 0..MESSAGES {
            offset.message(2_000_000_000, 2_012_000_000);
        }
        assert_eq!(offset.nanoseconds(), 12_000_000);
    }

    #[test]
    fn a_clock_in_step_only_seems_to_be_behind() {
        let mut offset = ClockOffset::default();
        offset.message(1_000_000_000, 1_003_000_000);
        assert_eq!(offset.nanoseconds(), 0);
    }

    #[test]
    fn more_than_a_second_is_not_put_right() {
        let mut offset = ClockOffset::default();
        offset.message(i64::MAX, 0);
        assert_eq!(offset.nanoseconds(), -LARGEST);
        let mut behind = ClockOffset::default();
        behind.message(0, i64::MAX);
        assert_eq!(behind.nanoseconds(), LARGEST);
    }
}
