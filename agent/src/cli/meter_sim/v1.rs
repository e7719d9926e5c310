//! Protocol v1 as the deployed firmware speaks it.

use std::net::SocketAddr;

use prony_proto::meter::v1;
use prost::Message;

use crate::units::Nanoseconds;

use super::board::Board;
use super::network::Datagram;

/// The firmware's receive buffer: of a longer datagram it sees no more.
const RECEIVE_BUFFER: usize = 16;
/// How many senders fit into the meter's memory. (An ESP32 has 520 KiB, and a task of this kind takes some 4 KiB.)
const MOST_SENDERS: usize = 100;

/// One task of the firmware. It sends until the meter reboots.
#[derive(Debug)]
struct Sender {
    to: SocketAddr,
    channel: u32,
    due: Nanoseconds,
}

/// The firmware's senders: one more with each request, even from the same address.
#[derive(Debug, Default)]
pub(super) struct Senders {
    senders: Vec<Sender>,
}

impl Senders {
    /// Takes a request; an invalid one is dropped without an answer.
    pub(super) fn request(&mut self, now: Nanoseconds, from: SocketAddr, datagram: &[u8], board: &Board) {
        let Some(channel) = requested_channel(datagram) else { return };
        if board.input(channel).is_some() && self.senders.len() < MOST_SENDERS {
            self.senders.push(Sender { to: from, channel, due: now });
        }
    }

    /// What is to be sent now.
    pub(super) fn due(&mut self, now: Nanoseconds, interval: Nanoseconds, board: &Board) -> Vec<Datagram> {
        let mut datagrams = Vec::new();
        for sender in self.senders.iter_mut().filter(|sender| sender.due <= now) {
            let Some(input) = board.input(sender.channel) else { continue };
            let message = v1::Sample {
                timestamp: board.uptime_micros(),
                charge: input.charge.0,
                current: input.current.0 as f32,
            };
            datagrams.push(Datagram { to: sender.to, bytes: message.encode_to_vec() });
            sender.due += interval;
        }
        datagrams
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.senders.len()
    }
}

/// The channel that a datagram asks for: ASCII decimal, to the end or to a NUL.
fn requested_channel(datagram: &[u8]) -> Option<u32> {
    let seen = &datagram[..datagram.len().min(RECEIVE_BUFFER)];
    let digits = seen.split(|&byte| byte == 0).next()?;
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_a_number_with_or_without_a_nul() {
        assert_eq!(requested_channel(b"3"), Some(3));
        assert_eq!(requested_channel(b"3\0"), Some(3));
        assert_eq!(requested_channel(b"3\0garbage"), Some(3));
        assert_eq!(requested_channel(b"12"), Some(12));
        for invalid in [&b""[..], b"\0", b"a", b"-1", b"3a", b" 3", b"99999999999999999999"] {
            assert_eq!(requested_channel(invalid), None, "{invalid:?}");
        }
    }

    #[test]
    fn a_datagram_longer_than_the_buffer_is_cut() {
        assert_eq!(requested_channel(b"0000000000000003x"), Some(3));
    }
}
