//! The whole simulation, with time as an argument: ten minutes of it take no longer than their arithmetic.

use std::net::SocketAddr;

use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::source::meter::frame::Key;
use crate::units::{Nanoseconds, Watts};

use super::board::{Board, BoardSettings};
use super::network::{Datagram, Impairments, Network};
use super::v1::Senders;
use super::v2::Subscriptions;

/// Which protocol is spoken.
#[derive(Clone, Debug)]
pub enum Protocol {
    /// The deployed firmware's.
    V1,
    /// Prony's own.
    V2 {
        /// The meter's name.
        device: String,
        /// The key that it signs with.
        key: Option<Key>,
        /// Where it sends without being asked.
        push_to: Option<SocketAddr>,
    },
}

/// What is simulated.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How it speaks.
    pub protocol: Protocol,
    /// What it is.
    pub board: BoardSettings,
    /// What is between it and its clients.
    pub impairments: Impairments,
    /// How often it sends (v1) or pushes (v2).
    pub interval: Nanoseconds,
    /// How often it reboots.
    pub reboot_every: Option<Nanoseconds>,
    /// Where the random numbers start: the same seed gives the same run.
    pub seed: u64,
}

#[derive(Debug)]
enum Firmware {
    V1(Senders),
    V2(Subscriptions),
}

/// A meter and the network to it.
#[derive(Debug)]
pub struct Simulator {
    board: Board,
    firmware: Firmware,
    network: Network,
    interval: Nanoseconds,
    reboot_every: Option<Nanoseconds>,
    next_reboot: Option<Nanoseconds>,
    now: Nanoseconds,
    rng: StdRng,
}

impl Simulator {
    /// One whose meter boots at time zero.
    pub fn new(settings: Settings) -> Self {
        let Settings { protocol, board, impairments, interval, reboot_every, seed } = settings;
        let firmware = match protocol {
            Protocol::V1 => Firmware::V1(Senders::default()),
            Protocol::V2 { device, key, push_to } => {
                Firmware::V2(Subscriptions::new(device, key, push_to.map(|to| (to, interval))))
            }
        };
        Self {
            board: Board::new(board),
            firmware,
            network: Network::new(impairments, interval),
            interval,
            reboot_every,
            next_reboot: reboot_every,
            now: Nanoseconds::ZERO,
            rng: StdRng::seed_from_u64(seed),
        }
    }

    /// Takes a datagram that a client sent now, unless the network loses it or the meter is booting.
    pub fn receive(&mut self, from: SocketAddr, datagram: &[u8]) {
        if self.network.loses(&mut self.rng) || !self.board.is_up() {
            return;
        }
        match &mut self.firmware {
            Firmware::V1(senders) => senders.request(self.now, from, datagram, &self.board),
            Firmware::V2(subscriptions) => {
                if let Some(answer) = subscriptions.request(self.now, from, datagram, &self.board) {
                    self.network.send(self.now, answer, &mut self.rng);
                }
            }
        }
    }

    /// Goes on to `now` with this power on every input; the datagrams that arrive at clients meanwhile. The steps are
    /// the meter's conversions: 10 ms in the deployed firmware.
    pub fn advance(&mut self, now: Nanoseconds, power: Watts) -> Vec<Datagram> {
        self.now = now;
        self.board.count(now, power, &mut self.rng);
        if self.next_reboot.is_some_and(|at| at <= now) {
            self.next_reboot = self.reboot_every.map(|every| now + every);
            self.reboot();
        }
        if self.board.is_up() {
            let datagrams = match &mut self.firmware {
                Firmware::V1(senders) => senders.due(now, self.interval, &self.board),
                Firmware::V2(subscriptions) => subscriptions.due(now, &self.board),
            };
            for datagram in datagrams {
                self.network.send(now, datagram, &mut self.rng);
            }
        }
        self.network.arrived(now)
    }

    /// Pulls the meter's plug and puts it back.
    pub fn reboot(&mut self) {
        self.board.reboot();
        match &mut self.firmware {
            Firmware::V1(senders) => *senders = Senders::default(),
            Firmware::V2(subscriptions) => subscriptions.reboot(self.now),
        }
    }

    /// The meter, to compare with what its clients believe.
    pub fn board(&self) -> &Board {
        &self.board
    }

    /// How many streams the meter is sending.
    pub fn streams(&self) -> usize {
        match &self.firmware {
            Firmware::V1(senders) => senders.count(),
            Firmware::V2(subscriptions) => subscriptions.count(),
        }
    }
}
