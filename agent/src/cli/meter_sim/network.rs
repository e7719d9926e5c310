//! A network that loses, copies and delays datagrams on request.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use rand::Rng;

use crate::units::Nanoseconds;

/// The longest that a reordered datagram is held back, in intervals between datagrams.
const LONGEST_HOLD: f64 = 2.5;

/// What goes wrong, each as a probability.
#[derive(Clone, Copy, Debug, Default)]
pub struct Impairments {
    /// A datagram never arrives.
    pub loss: f64,
    /// It arrives twice.
    pub duplicate: f64,
    /// It arrives after later ones.
    pub reorder: f64,
}

/// A datagram and where it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Datagram {
    /// To whom.
    pub to: SocketAddr,
    /// What.
    pub bytes: Vec<u8>,
}

/// Datagrams under way.
#[derive(Debug)]
pub(super) struct Network {
    impairments: Impairments,
    interval: Nanoseconds,
    under_way: BTreeMap<(Nanoseconds, u64), Datagram>,
    sent: u64,
}

impl Network {
    /// An empty one. `interval` is how often a sender sends, by which "after later ones" is measured.
    pub(super) fn new(impairments: Impairments, interval: Nanoseconds) -> Self {
        Self { impairments, interval, under_way: BTreeMap::new(), sent: 0 }
    }

    /// Whether a datagram gets lost.
    pub(super) fn loses(&self, rng: &mut impl Rng) -> bool {
        rng.random_bool(self.impairments.loss)
    }

    /// Sends a datagram.
    pub(super) fn send(&mut self, now: Nanoseconds, datagram: Datagram, rng: &mut impl Rng) {
        if self.loses(rng) {
            return;
        }
        if rng.random_bool(self.impairments.duplicate) {
            self.enqueue(now, datagram.clone(), rng);
        }
        self.enqueue(now, datagram, rng);
    }

    fn enqueue(&mut self, now: Nanoseconds, datagram: Datagram, rng: &mut impl Rng) {
        let held = rng.random_bool(self.impairments.reorder);
        let delay = if held { self.interval.seconds() * rng.random_range(0.0..LONGEST_HOLD) } else { 0.0 };
        self.sent += 1;
        self.under_way.insert((now + Nanoseconds::from_seconds(delay), self.sent), datagram);
    }

    /// Takes what has arrived by `now`, in order of arrival.
    pub(super) fn arrived(&mut self, now: Nanoseconds) -> Vec<Datagram> {
        let rest = self.under_way.split_off(&(now + Nanoseconds(1), 0));
        std::mem::replace(&mut self.under_way, rest).into_values().collect()
    }
}
