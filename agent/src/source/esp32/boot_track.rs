//! What is known of one boot of a meter, and whether a datagram can belong to it.

use std::collections::VecDeque;

use crate::clock::Timestamp;
use crate::source::metering::{CLOCK_TOLERANCE, LONGEST_DELAY, MeterClock};
use crate::units::{MilliampereSeconds, Nanoseconds};

use super::INPUT;
use super::wire::Sample;

/// How many accepted samples are remembered to tell copies from stragglers.
const REMEMBERED: usize = 64;
/// The firmware integrates every 10 ms what the chip converts every 12.7 ms, so that a step may hold a little more
/// than full scale times its time.
const STEP_SLACK: f64 = 1.1;
/// See [`STEP_SLACK`]; for short steps.
const STEP_SLACK_CHARGE: MilliampereSeconds = MilliampereSeconds(500.0);

/// How a sample relates to a boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fit {
    /// It is newer than all others of this boot.
    Next,
    /// It is a copy of one of them.
    Copy,
    /// It is of this boot and late.
    Late,
    /// It is of a later boot.
    LaterBoot,
    /// It may be of a later boot.
    PerhapsLaterBoot,
    /// Its time is ahead of anything that this boot's clock can show: the agent's machine slept, or the value is wrong.
    Ahead,
    /// Its time is this boot's, but its charge is not of this counter.
    OtherCounter,
}

/// One boot of a meter, as far as it was heard.
#[derive(Clone, Debug)]
pub(super) struct BootTrack {
    pub(super) clock: MeterClock,
    pub(super) newest: Sample,
    /// When `newest` arrived.
    pub(super) arrived: Timestamp,
    recent: VecDeque<Sample>,
}

impl BootTrack {
    pub(super) fn new(arrival: Timestamp, sample: Sample) -> Self {
        Self {
            clock: MeterClock::new(arrival, sample.uptime),
            newest: sample,
            arrived: arrival,
            recent: VecDeque::from([sample]),
        }
    }

    pub(super) fn accept(&mut self, arrival: Timestamp, sample: Sample) {
        self.clock.observe(arrival, sample.uptime);
        self.newest = sample;
        self.arrived = arrival;
        if self.recent.len() == REMEMBERED {
            self.recent.pop_front();
        }
        self.recent.push_back(sample);
    }

    /// Whether a boot that began this much after this one (in nanoseconds) began after the newest sample was taken, so
    /// that it can be the next.
    pub(super) fn precedes_boot(&self, later_by: i64) -> bool {
        later_by >= (signed(self.newest.uptime) - signed(CLOCK_TOLERANCE)).max(signed(CLOCK_TOLERANCE))
    }

    /// `asked` is when the meter was last asked to send. A v1 meter that rebooted sends nothing until then, so that a
    /// sample that was not asked for since the newest one is most likely just late.
    pub(super) fn fit(&self, arrival: Timestamp, sample: &Sample, asked: Option<Timestamp>) -> Fit {
        let delay = self.clock.delay(arrival, sample.uptime);
        let boot = self.clock.boot() + delay;
        let asked_again = asked.is_some_and(|asked| asked > self.arrived && boot <= signed_at(asked + LONGEST_DELAY));
        let beyond_delay = delay > signed(LONGEST_DELAY);
        let older = sample.uptime <= self.newest.uptime;
        let less = sample.charge.0 < self.newest.charge.0;

        if self.precedes_boot(delay) && (asked_again || beyond_delay) {
            if asked_again && beyond_delay && (older || less) {
                return Fit::LaterBoot;
            }
            // A stopped agent finds its socket's queue full of samples that are plainly the next ones, however late.
            if asked_again || older || less || !self.continues(sample) {
                return Fit::PerhapsLaterBoot;
            }
        }
        match (older, less) {
            (true, _) if self.recent.contains(sample) => Fit::Copy,
            (true, _) if sample.charge.0 <= self.newest.charge.0 => Fit::Late,
            (true, _) | (false, true) => Fit::OtherCounter,
            (false, false) if !self.can_reach(sample) => Fit::OtherCounter,
            (false, false) if delay < -signed(LONGEST_DELAY) => Fit::Ahead,
            (false, false) => Fit::Next,
        }
    }

    /// Whether the counter can have moved from the newest sample to this one in the time between them.
    pub(super) fn can_reach(&self, sample: &Sample) -> bool {
        let seconds = sample.uptime.saturating_sub(self.newest.uptime).seconds();
        // A meter with another shunt than the deployed one says so by its current.
        let full_scale = INPUT.full_scale.0.max(self.newest.current.0).max(sample.current.0);
        let step = sample.charge.0 - self.newest.charge.0;
        (0.0..=full_scale * seconds * STEP_SLACK + STEP_SLACK_CHARGE.0).contains(&step)
    }

    /// Whether it comes soon enough after the newest sample, and with little enough charge, to be plainly the next.
    fn continues(&self, sample: &Sample) -> bool {
        sample.uptime.saturating_sub(self.newest.uptime) <= LONGEST_DELAY && self.can_reach(sample)
    }
}

fn signed(span: Nanoseconds) -> i64 {
    i64::try_from(span.0).unwrap_or(i64::MAX)
}

fn signed_at(at: Timestamp) -> i64 {
    i64::try_from(at.0).unwrap_or(i64::MAX)
}
