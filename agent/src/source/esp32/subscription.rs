//! When to ask a meter to send. Every request starts one more sender in the meter that never ends, so there are to be
//! as few as possible; and two requests shortly after one another make the firmware answer for the wrong channel.

use std::sync::{Arc, Mutex, PoisonError};

use crate::clock::Timestamp;
use crate::units::Nanoseconds;

/// How long a meter, which sends once a second, has to be silent before it is asked again.
pub const SILENCE: Nanoseconds = Nanoseconds(5_000_000_000);
/// How long after a request without an answer the next one may follow; doubled with each, up to [`LONGEST_BACKOFF`].
const FIRST_BACKOFF: Nanoseconds = SILENCE;
/// See [`FIRST_BACKOFF`].
const LONGEST_BACKOFF: Nanoseconds = Nanoseconds(60_000_000_000);
/// The least time between two requests to one meter, for whatever channels. The firmware starts a task per request and
/// hands it the channel in shared memory; a second is far longer than a task takes to start.
pub const SPACING: Nanoseconds = Nanoseconds(1_000_000_000);

/// What to do about a meter now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Ask it to send, and call [`Subscription::asked`].
    Send,
    /// Nothing until then, unless a datagram comes.
    Wait(Timestamp),
}

/// Whether a meter has been asked to send one channel, and answers.
#[derive(Debug)]
pub struct Subscription {
    heard: Option<Timestamp>,
    asked: Option<Timestamp>,
    silence: Nanoseconds,
    backoff: Nanoseconds,
}

impl Default for Subscription {
    fn default() -> Self {
        Self::new(SILENCE)
    }
}

impl Subscription {
    /// One that asks again after `silence`.
    pub fn new(silence: Nanoseconds) -> Self {
        Self { heard: None, asked: None, silence, backoff: FIRST_BACKOFF.max(silence) }
    }

    /// Says that something came from the meter, whatever it was: it has a sender for this socket.
    pub fn heard(&mut self, at: Timestamp) {
        self.heard = Some(at);
        self.backoff = FIRST_BACKOFF.max(self.silence);
    }

    /// Says that the meter was asked.
    pub fn asked(&mut self, at: Timestamp) {
        if self.unanswered() {
            self.backoff = Nanoseconds(self.backoff.0.saturating_mul(2)).min(LONGEST_BACKOFF.max(self.silence));
        }
        self.asked = Some(at);
    }

    /// How long nothing has come, where something should have.
    pub fn silent_for(&self, now: Timestamp) -> Option<Nanoseconds> {
        self.heard.or(self.asked).map(|since| now.since(since)).filter(|&span| span >= self.silence)
    }

    /// What to do now.
    pub fn tick(&self, now: Timestamp) -> Action {
        let after_silence = self.heard.map(|heard| heard + self.silence);
        let after_request = self.asked.map(|asked| asked + self.backoff);
        match after_silence.max(after_request) {
            Some(due) if due > now => Action::Wait(due),
            _ => Action::Send,
        }
    }

    fn unanswered(&self) -> bool {
        self.asked.is_some_and(|asked| self.heard.is_none_or(|heard| heard < asked))
    }
}

/// Spaces the requests to one meter out, over all of its channels.
#[derive(Debug, Default)]
pub struct RequestPacer {
    last: Mutex<Option<Timestamp>>,
}

impl RequestPacer {
    /// One that the channels of a meter share.
    pub fn shared() -> Arc<Self> {
        Arc::default()
    }

    /// Takes the right to send a request now, or says when to try again.
    pub fn take(&self, now: Timestamp) -> Result<(), Timestamp> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match *last {
            Some(earlier) if now < earlier + SPACING => Err(earlier + SPACING),
            _ => {
                *last = Some(now);
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(millis: u64) -> Timestamp {
        Timestamp(millis * 1_000_000)
    }

    #[test]
    fn a_meter_that_sends_is_asked_once() {
        let mut subscription = Subscription::default();
        assert_eq!(subscription.tick(at(0)), Action::Send);
        subscription.asked(at(0));
        for second in 1..1_000 {
            assert!(matches!(subscription.tick(at(second * 1_000)), Action::Wait(_)));
            subscription.heard(at(second * 1_000));
        }
    }

    #[test]
    fn a_silent_meter_is_asked_more_and_more_rarely_and_promptly_again_after_it_was_heard() {
        let mut subscription = Subscription::default();
        let mut asked = Vec::new();
        for second in 0..200 {
            if subscription.tick(at(second * 1_000)) == Action::Send {
                subscription.asked(at(second * 1_000));
                asked.push(second);
            }
        }
        assert_eq!(asked, [0, 5, 15, 35, 75, 135, 195]);
        subscription.heard(at(200_000));
        assert_eq!(subscription.tick(at(204_999)), Action::Wait(at(205_000)));
        assert_eq!(subscription.tick(at(205_000)), Action::Send);
        assert_eq!(subscription.silent_for(at(205_000)), Some(SILENCE));
    }

    #[test]
    fn channels_of_one_meter_do_not_ask_within_the_same_second() {
        let pacer = RequestPacer::shared();
        assert_eq!(pacer.take(at(0)), Ok(()));
        assert_eq!(pacer.take(at(1)), Err(at(1_000)));
        assert_eq!(pacer.take(at(1_000)), Ok(()));
        assert_eq!(pacer.take(at(1_999)), Err(at(2_000)));
    }
}
