//! The last hour by seconds and the last day by minutes.

use std::sync::Arc;

use crate::units::Nanoseconds;

use super::frame::Frame;
use super::kept::Pack;
use super::minutes::Minute;
use super::reel::Reel;

const MINUTE: Nanoseconds = Nanoseconds(60 * Nanoseconds::SECOND.0);
const HOUR: Nanoseconds = Nanoseconds(60 * MINUTE.0);

/// How many minutes there are of seconds, and how many hours of minutes.
pub(super) const MINUTES_KEPT: u64 = 60;
pub(super) const HOURS_KEPT: u64 = 24;

/// Which of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Span {
    Hour,
    Day,
}

impl Span {
    /// About how long a frame is.
    pub(super) fn step(self) -> Nanoseconds {
        match self {
            Self::Hour => Nanoseconds::SECOND,
            Self::Day => MINUTE,
        }
    }
}

/// What an earlier agent has kept: minutes or hours, and what was written of each.
pub(super) type Kept = Vec<(u64, Vec<u8>)>;

/// The frames that are kept.
#[derive(Debug)]
pub(super) struct History {
    seconds: Reel,
    minutes: Reel,
    running: Minute,
}

/// What is to be written down.
#[derive(Debug, Default)]
pub(super) struct Ended {
    /// The seconds of a minute.
    pub(super) minute: Option<Pack>,
    /// The minutes of an hour, as far as it has come.
    pub(super) hour: Option<Pack>,
}

impl Default for History {
    fn default() -> Self {
        Self {
            seconds: Reel::new(MINUTE, MINUTES_KEPT),
            minutes: Reel::new(HOUR, HOURS_KEPT),
            running: Minute::default(),
        }
    }
}

impl History {
    /// Goes on with what an earlier agent has kept.
    pub(super) fn resume(seconds: Kept, minutes: Kept) -> Self {
        let mut history = Self::default();
        history.minutes.resume(minutes);
        history.seconds.resume(seconds);
        let (hours, _) = history.minutes.copy();
        let whole =
            hours.last().and_then(|hour| hour.frames().last().map(|minute| history.seconds.group_of(minute.end)));
        let (minutes, _) = history.seconds.copy();
        for minute in minutes.iter().filter(|minute| Some(minute.number) > whole) {
            for frame in minute.frames() {
                history.take_into_minute(&frame);
            }
        }
        history
    }

    /// The number of the latest frame.
    pub(super) fn sequence(&self) -> u64 {
        self.seconds.sequence()
    }

    /// Adds a frame, which gets the next number. Gives what has ended with the frame before.
    pub(super) fn add(&mut self, mut frame: Frame) -> Ended {
        frame.sequence = self.sequence() + 1;
        let (hour_before, is_over) = self.take_into_minute(&frame);
        let minute = self.seconds.add(Arc::new(frame));
        let hour = hour_before.or_else(|| is_over.then(|| self.minutes.pack()).flatten());
        Ended { minute, hour }
    }

    /// Adds a frame to the running minute. Gives the hour that has ended, and whether a minute has.
    fn take_into_minute(&mut self, frame: &Frame) -> (Option<Pack>, bool) {
        let ended = self.running.ended_by(frame);
        let is_over = ended.is_some();
        let hour = ended.and_then(|mut minute| {
            minute.sequence = self.minutes.sequence() + 1;
            self.minutes.add(Arc::new(minute))
        });
        self.running.add(frame);
        (hour, is_over)
    }

    /// What is not over yet, to be written down before the end.
    pub(super) fn so_far(&self) -> Ended {
        Ended { minute: self.seconds.pack(), hour: self.minutes.pack() }
    }

    /// All frames of a span, to be unpacked where nobody waits for the history; the minute that is not over yet is among them.
    pub(super) fn frames(&self, span: Span) -> impl FnOnce() -> Vec<Arc<Frame>> + Send + use<> {
        let (packs, mut running) = match span {
            Span::Hour => self.seconds.copy(),
            Span::Day => self.minutes.copy(),
        };
        if span == Span::Day {
            running.extend(self.running.so_far().map(Arc::new));
        }
        move || packs.iter().flat_map(Pack::frames).chain(running).collect()
    }

    /// The frames after this one; `None` where more was missed than is kept.
    pub(super) fn after(&self, sequence: u64) -> Option<Vec<Arc<Frame>>> {
        self.seconds.after(sequence)
    }
}
