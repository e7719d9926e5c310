//! The client's side of a subscription: when to ask, and with which nonce.

use prony_proto::meter::v2;

use crate::clock::Timestamp;
use crate::units::Nanoseconds;

/// How often reports are asked for, in milliseconds.
const INTERVAL_MS: u32 = 1_000;
/// How long a subscription lasts unless it is renewed, in seconds.
const LEASE_S: u32 = 30;
/// A third of the lease: two renewals may get lost.
const RENEW_AFTER: Nanoseconds = Nanoseconds(10_000_000_000);
/// How long to wait for a subscription to be granted before asking once more.
const GRANT_AFTER: Nanoseconds = Nanoseconds(1_000_000_000);
/// After how long a meter counts as silent.
pub(super) const SILENCE: Nanoseconds = Nanoseconds(5_000_000_000);
const LONGEST_BACKOFF: Nanoseconds = Nanoseconds(60_000_000_000);

/// What to do about a meter now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Send [`Subscription::request`].
    Send,
    /// Nothing until then, unless a report comes.
    Wait(Timestamp),
}

/// One subscription to one meter.
#[derive(Debug)]
pub(super) struct Subscription {
    nonce: u64,
    /// The nonce before, under which the meter may still be sending until that lease ends.
    previous: Option<u64>,
    /// Whether a report has come under this nonce.
    answered: bool,
    /// Whether the meter has granted it: a numbered report has come.
    granted: bool,
    heard: Option<Timestamp>,
    asked: Option<Timestamp>,
    backoff: Nanoseconds,
}

impl Subscription {
    pub(super) fn new(nonce: u64) -> Self {
        Self { nonce, previous: None, answered: false, granted: false, heard: None, asked: None, backoff: SILENCE }
    }

    pub(super) fn nonce(&self) -> u64 {
        self.nonce
    }

    /// Whether a report under this nonce is ours, though not of this subscription.
    pub(super) fn is_previous(&self, nonce: u64) -> bool {
        self.previous == Some(nonce)
    }

    /// Whether no report has come under this nonce: what comes first cannot be a replay.
    pub(super) fn is_unanswered(&self) -> bool {
        !self.answered
    }

    /// Says that a report with this sequence number has come under the nonce.
    pub(super) fn heard(&mut self, at: Timestamp, sequence: u64) {
        self.answered = true;
        self.granted |= sequence > 0;
        self.heard = Some(at);
        self.backoff = SILENCE;
    }

    /// How long nothing has come, where something should have.
    pub(super) fn silent_for(&self, now: Timestamp) -> Option<Nanoseconds> {
        self.heard.or(self.asked).map(|since| now.since(since)).filter(|&span| span >= SILENCE)
    }

    pub(super) fn tick(&self, now: Timestamp) -> Action {
        let Some(asked) = self.asked else { return Action::Send };
        let due = match self.heard {
            Some(heard) if now.since(heard) < SILENCE => {
                (asked + if self.granted { RENEW_AFTER } else { GRANT_AFTER }).min(heard + SILENCE)
            }
            Some(heard) => (heard + SILENCE).max(asked + self.backoff),
            None => asked + self.backoff,
        };
        if due > now { Action::Wait(due) } else { Action::Send }
    }

    /// Says that a request is being sent. After silence, it is a new subscription, under the nonce that `draw` gives.
    pub(super) fn asking(&mut self, now: Timestamp, draw: impl FnOnce() -> u64) {
        if self.asked.is_some() && self.heard.is_none_or(|heard| now.since(heard) >= SILENCE) {
            if self.answered {
                *self = Self { nonce: draw(), previous: Some(self.nonce), answered: false, granted: false, ..*self };
            } else {
                self.backoff = Nanoseconds(self.backoff.0 * 2).min(LONGEST_BACKOFF);
            }
        }
        self.asked = Some(now);
    }

    /// The request for `action`. `latest` is the boot id and uptime of the latest report.
    pub(super) fn request(
        &self,
        action: v2::Action,
        device: &str,
        channels: Vec<u32>,
        latest: Option<(u64, Nanoseconds)>,
    ) -> v2::Request {
        let (boot_id, uptime) = latest.unwrap_or_default();
        v2::Request {
            action: action.into(),
            device: device.into(),
            channels,
            interval_ms: INTERVAL_MS,
            lease_s: LEASE_S,
            nonce: self.nonce,
            boot_id,
            uptime_us: uptime.0 / 1_000,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn second(second: u64) -> Timestamp {
        Timestamp(second * 1_000_000_000)
    }

    #[test]
    fn a_granted_subscription_is_renewed_thrice_per_lease_under_its_nonce() {
        let mut subscription = Subscription::new(7);
        let mut asked = Vec::new();
        for now in 0..45 {
            if subscription.tick(second(now)) == Action::Send {
                subscription.asking(second(now), || panic!("the nonce is good"));
                asked.push(now);
            }
            subscription.heard(second(now), now + 1);
        }
        assert_eq!(asked, [0, 10, 20, 30, 40]);
    }

    #[test]
    fn a_subscription_that_is_not_granted_yet_is_asked_for_again_within_a_second() {
        let mut subscription = Subscription::new(7);
        subscription.asking(second(0), || panic!());
        subscription.heard(second(0), 0);
        assert_eq!(subscription.tick(second(1)), Action::Send);
    }

    #[test]
    fn after_silence_the_nonce_changes_once_and_requests_become_rare() {
        let mut subscription = Subscription::new(7);
        subscription.asking(second(0), || panic!());
        subscription.heard(second(1), 1);
        let (mut asked, mut nonces) = (Vec::new(), 7);
        for now in 2..120 {
            if subscription.tick(second(now)) == Action::Send {
                subscription.asking(second(now), || {
                    nonces += 1;
                    nonces
                });
                asked.push(now);
            }
        }
        assert_eq!((asked, subscription.nonce()), (vec![6, 11, 21, 41, 81], 8));
        assert!(subscription.is_unanswered());
    }
}
