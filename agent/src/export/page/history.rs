//! The last hour by seconds and the last day by minutes.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::units::Nanoseconds;

use super::frame::Frame;
use super::minutes::{Minute, minute_of};

/// What is kept: of each as many frames, and no older ones.
const SECONDS: usize = 3_600;
const MINUTES: usize = 24 * 60;
const HOUR: Nanoseconds = Nanoseconds(3_600 * Nanoseconds::SECOND.0);
const DAY: Nanoseconds = Nanoseconds(24 * HOUR.0);

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
            Self::Day => Nanoseconds(60 * Nanoseconds::SECOND.0),
        }
    }
}

/// The frames that are kept, the oldest first.
#[derive(Debug, Default)]
pub(super) struct History {
    seconds: VecDeque<Arc<Frame>>,
    minutes: VecDeque<Arc<Frame>>,
    running: Minute,
}

/// What was missed since a frame.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Missed {
    /// These.
    Frames(Vec<Arc<Frame>>),
    /// More than is kept, or frames that are still to come.
    TooMuch,
}

impl History {
    /// Goes on with what an earlier agent has kept.
    pub(super) fn resume(seconds: Vec<Frame>, minutes: Vec<Frame>) -> Self {
        let mut history = Self { minutes: minutes.into_iter().map(Arc::new).collect(), ..Self::default() };
        let whole = history.minutes.back().map(|minute| minute_of(minute.end));
        for frame in seconds {
            if Some(minute_of(frame.end)) > whole {
                history.running.add(&frame);
            }
            history.seconds.push_back(Arc::new(frame));
        }
        history
    }

    /// The number of the latest frame.
    pub(super) fn sequence(&self) -> u64 {
        self.seconds.back().map_or(0, |frame| frame.sequence)
    }

    /// Adds a frame, which gets the next number. Gives the minute that has ended with the frame before, if one has.
    pub(super) fn add(&mut self, mut frame: Frame) -> Option<Arc<Frame>> {
        frame.sequence = self.sequence() + 1;
        let ended = self.running.ended_by(&frame).map(Arc::new);
        if let Some(minute) = &ended {
            self.minutes.push_back(Arc::clone(minute));
        }
        self.running.add(&frame);
        let now = frame.end;
        self.seconds.push_back(Arc::new(frame));
        trim(&mut self.seconds, SECONDS, now.saturating_sub(HOUR));
        trim(&mut self.minutes, MINUTES, now.saturating_sub(DAY));
        ended
    }

    /// All frames of a span; the minute that is not over yet is among them.
    pub(super) fn frames(&self, span: Span) -> Vec<Arc<Frame>> {
        match span {
            Span::Hour => self.seconds.iter().cloned().collect(),
            Span::Day => self.minutes.iter().cloned().chain(self.running.so_far().map(Arc::new)).collect(),
        }
    }

    /// The frames of a minute.
    pub(super) fn seconds_of(&self, minute: u64) -> Vec<Arc<Frame>> {
        self.seconds.iter().filter(|frame| minute_of(frame.end) == minute).cloned().collect()
    }

    /// The minutes of an hour, those that are over.
    pub(super) fn minutes_of(&self, hour: u64) -> Vec<Arc<Frame>> {
        self.minutes.iter().filter(|frame| minute_of(frame.end) / 60 == hour).cloned().collect()
    }

    /// The frames after this one.
    pub(super) fn after(&self, sequence: u64) -> Missed {
        let oldest = self.seconds.front().map_or(1, |frame| frame.sequence);
        if sequence > self.sequence() || sequence + 1 < oldest {
            return Missed::TooMuch;
        }
        Missed::Frames(self.seconds.iter().skip((sequence + 1 - oldest) as usize).cloned().collect())
    }
}

fn trim(frames: &mut VecDeque<Arc<Frame>>, count: usize, oldest: Nanoseconds) {
    while frames.len() > count || frames.front().is_some_and(|frame| frame.end < oldest) {
        frames.pop_front();
    }
}
