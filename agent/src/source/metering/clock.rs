//! The meter's clock on the agent's time line.

use std::collections::VecDeque;

use crate::clock::Timestamp;
use crate::units::Nanoseconds;

/// How far back the quickest datagram is looked for. A clock that is 100 ppm off moves by 6 ms meanwhile, and 60
/// datagrams of the usual one a second are enough for one of them to have come quickly.
const MEMORY: Nanoseconds = Nanoseconds(60_000_000_000);

/// Where on the agent's time line the meter booted: the lower envelope of arrival minus uptime. A delay only ever makes
/// that difference larger, so that the least of the last minute belongs to the datagram that was delayed least, and
/// following the last minute follows the drift between the two clocks.
#[derive(Clone, Debug)]
pub(crate) struct MeterClock {
    /// Arrivals with their boot instants, which rise from front to back: the front is the envelope.
    quickest: VecDeque<(Timestamp, i64)>,
}

impl MeterClock {
    /// A clock known from one datagram.
    pub(crate) fn new(arrival: Timestamp, uptime: Nanoseconds) -> Self {
        Self { quickest: VecDeque::from([(arrival, boot_instant(arrival, uptime))]) }
    }

    /// Learns from a datagram that arrived at `arrival` and said that the meter had been up for `uptime`.
    pub(crate) fn observe(&mut self, arrival: Timestamp, uptime: Nanoseconds) {
        let boot = boot_instant(arrival, uptime);
        while self.quickest.back().is_some_and(|&(_, known)| known >= boot) {
            self.quickest.pop_back();
        }
        self.quickest.push_back((arrival, boot));
        while self.quickest.front().is_some_and(|&(known, _)| arrival.since(known) > MEMORY) {
            self.quickest.pop_front();
        }
    }

    /// When the meter booted, in nanoseconds on the agent's time line; negative if that was before the time line began.
    pub(crate) fn boot(&self) -> i64 {
        self.quickest.front().map_or(0, |&(_, boot)| boot)
    }

    /// The agent's time at which the meter's clock showed `uptime`.
    pub(crate) fn at(&self, uptime: Nanoseconds) -> Timestamp {
        Timestamp(self.boot().saturating_add(signed(uptime.0)).max(0) as u64)
    }

    /// How much later than the quickest datagram this one came, in nanoseconds; negative if it is the quickest so far.
    pub(crate) fn delay(&self, arrival: Timestamp, uptime: Nanoseconds) -> i64 {
        boot_instant(arrival, uptime) - self.boot()
    }
}

/// When a meter booted that says `uptime` in a datagram without delay, in nanoseconds on the agent's time line.
pub(crate) fn boot_instant(arrival: Timestamp, uptime: Nanoseconds) -> i64 {
    signed(arrival.0) - signed(uptime.0)
}

fn signed(nanoseconds: u64) -> i64 {
    i64::try_from(nanoseconds).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn delays_do_not_move_readings() {
        let mut clock = MeterClock::new(Timestamp(1_000 * SECOND), Nanoseconds::ZERO);
        for second in 1..300 {
            let uptime = Nanoseconds(second * SECOND);
            let delay = [0, 700, 30, 250][second as usize % 4] * 1_000_000;
            clock.observe(Timestamp((1_000 + second) * SECOND + delay), uptime);
            assert_eq!(clock.at(uptime), Timestamp((1_000 + second) * SECOND));
        }
    }

    #[test]
    fn a_drifting_clock_is_followed_within_what_it_drifts_in_a_minute() {
        for parts_per_million in [-200_i64, 200] {
            let mut clock = MeterClock::new(Timestamp(1_000 * SECOND), Nanoseconds::ZERO);
            for second in 1..3_600_u64 {
                let uptime = Nanoseconds(second * SECOND);
                let true_time = (second * SECOND).strict_add_signed(second.cast_signed() * parts_per_million * 1_000);
                clock.observe(Timestamp(1_000 * SECOND + true_time), uptime);
                let error = clock.at(uptime).0.abs_diff(1_000 * SECOND + true_time);
                assert!(error <= 60 * 200 * 1_000, "{error} ns off after {second} s");
            }
        }
    }

    #[test]
    fn a_meter_may_have_booted_before_the_agents_time_began() {
        let clock = MeterClock::new(Timestamp(5 * SECOND), Nanoseconds(90 * SECOND));
        assert_eq!(clock.boot(), -85 * SECOND.cast_signed());
        assert_eq!(clock.at(Nanoseconds(91 * SECOND)), Timestamp(6 * SECOND));
        assert_eq!(clock.at(Nanoseconds::ZERO), Timestamp(0));
    }
}
