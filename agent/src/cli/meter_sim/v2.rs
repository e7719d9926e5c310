//! The meter's side of protocol v2, as docs/meter-protocol.md demands it of firmware.

use std::net::SocketAddr;

use prony_proto::meter::v2;
use prost::Message;

use crate::source::meter::frame::{self, Key, Kind};
use crate::source::meter::wire::{encode_report, flags};
use crate::units::Nanoseconds;

use super::board::Board;
use super::network::Datagram;

/// How many subscriptions the meter keeps.
const MOST_SUBSCRIPTIONS: usize = 8;
/// How old the uptime in an authenticated request may be.
const FRESH: Nanoseconds = Nanoseconds(120_000_000_000);

#[derive(Debug)]
struct Subscription {
    to: SocketAddr,
    nonce: u64,
    channels: Vec<u32>,
    interval: Nanoseconds,
    sequence: u64,
    since_us: u64,
    due: Nanoseconds,
    /// `None` for the configured push, which lasts.
    expires: Option<Nanoseconds>,
}

/// Who gets reports.
#[derive(Debug)]
pub(super) struct Subscriptions {
    device: String,
    key: Option<Key>,
    push: Option<(SocketAddr, Nanoseconds)>,
    active: Vec<Subscription>,
}

impl Subscriptions {
    /// Those of a meter after boot: the configured push and no other.
    pub(super) fn new(device: String, key: Option<Key>, push: Option<(SocketAddr, Nanoseconds)>) -> Self {
        let mut subscriptions = Self { device, key, push, active: Vec::new() };
        subscriptions.reboot(Nanoseconds::ZERO);
        subscriptions
    }

    /// Forgets all but the configured push.
    pub(super) fn reboot(&mut self, now: Nanoseconds) {
        self.active.clear();
        if let Some((to, interval)) = self.push {
            let channels = Vec::new();
            self.active.push(Subscription {
                to,
                nonce: 0,
                channels,
                interval,
                sequence: 0,
                since_us: 0,
                due: now,
                expires: None,
            });
        }
    }

    /// Takes a request; an invalid one is dropped without an answer. The answer is sent at once.
    pub(super) fn request(
        &mut self,
        now: Nanoseconds,
        from: SocketAddr,
        datagram: &[u8],
        board: &Board,
    ) -> Option<Datagram> {
        let payload = frame::open(Kind::Request, datagram, self.key.as_ref()).ok()?;
        let request = v2::Request::decode(payload).ok()?;
        if request.nonce == 0 || !(request.device.is_empty() || request.device == self.device) {
            return None;
        }
        let fresh = self.key.is_none() || is_fresh(&request, board);
        let known = self.active.iter().position(|known| known.nonce == request.nonce);
        match (request.action(), known) {
            (v2::Action::Unspecified, _) => None,
            (v2::Action::Unsubscribe, known) => {
                if let Some(known) = known.filter(|_| fresh) {
                    self.active.remove(known);
                }
                None
            }
            (v2::Action::Subscribe, Some(known)) if fresh => {
                let asked = subscription(now, from, &request, board);
                let renewed = &mut self.active[known];
                *renewed =
                    Subscription { sequence: renewed.sequence, since_us: renewed.since_us, due: renewed.due, ..asked };
                None
            }
            (v2::Action::Subscribe, None) if fresh && self.active.len() < MOST_SUBSCRIPTIONS => {
                self.active.push(subscription(now, from, &request, board));
                None
            }
            // A poll; or a subscription that is not (yet) granted. Such answers are not numbered.
            _ => Some(self.report(&subscription(now, from, &request, board), board)),
        }
    }

    /// What is to be sent now.
    pub(super) fn due(&mut self, now: Nanoseconds, board: &Board) -> Vec<Datagram> {
        self.active.retain(|subscription| subscription.expires.is_none_or(|expires| now < expires));
        let mut active = std::mem::take(&mut self.active);
        let mut datagrams = Vec::new();
        for subscription in active.iter_mut().filter(|subscription| subscription.due <= now) {
            subscription.sequence += 1;
            datagrams.push(self.report(subscription, board));
            subscription.due += subscription.interval;
        }
        self.active = active;
        datagrams
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.active.len()
    }

    fn report(&self, subscription: &Subscription, board: &Board) -> Datagram {
        let wanted = |number: &u32| subscription.channels.is_empty() || subscription.channels.contains(number);
        let report = v2::Report {
            device: self.device.clone(),
            boot_id: board.boot_id(),
            sequence: subscription.sequence,
            numbered_since_us: subscription.since_us,
            uptime_us: board.uptime_micros(),
            nonce: subscription.nonce,
            channels: (1..=board.channels()).filter(wanted).filter_map(|number| channel(board, number)).collect(),
        };
        Datagram { to: subscription.to, bytes: encode_report(&report, self.key.as_ref()) }
    }
}

fn subscription(now: Nanoseconds, from: SocketAddr, request: &v2::Request, board: &Board) -> Subscription {
    let or = |value: u32, default: u32| u64::from(if value == 0 { default } else { value });
    let lease = or(request.lease_s, 30).clamp(5, 300);
    Subscription {
        to: from,
        nonce: request.nonce,
        channels: request.channels.clone(),
        interval: Nanoseconds::from_millis(or(request.interval_ms, 1_000).clamp(10, 60_000)),
        sequence: 0,
        since_us: board.uptime_micros(),
        due: now,
        expires: Some(now + Nanoseconds::from_millis(lease * 1_000)),
    }
}

/// Whether a request was made by someone who has lately heard this boot.
fn is_fresh(request: &v2::Request, board: &Board) -> bool {
    let now = board.uptime_micros();
    request.boot_id == board.boot_id() && request.uptime_us <= now && now - request.uptime_us <= FRESH.0 / 1_000
}

fn channel(board: &Board, number: u32) -> Option<v2::Channel> {
    let input = board.input(number)?;
    Some(v2::Channel {
        channel: number,
        charge_uas: (input.charge.0 * 1e3).round() as u64,
        energy_uj: Some(input.energy().0),
        bus_mv: Some((board.volts().0 * 1e3).round() as u32),
        current_ua: (input.current.0 * 1e3).round() as i64,
        saturated_us: input.saturated.0 / 1_000,
        flags: if input.is_saturated() { flags::SATURATED } else { 0 },
        // 0.25 % gain error at most, evenly distributed (TI SBOS576C).
        uncertainty_ppm: 1_443,
    })
}
