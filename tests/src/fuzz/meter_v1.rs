//! One channel of an ESP32 meter, whatever its datagrams are and whenever they come.

use prony::clock::Timestamp;
use prony::config::Esp32Config;
use prony::source::SourceId;
use prony::source::esp32::ChannelState;
use prony::units::{Nanoseconds, Volts};
use prony_proto::meter::v1;
use prost::Message as _;

use super::books::Books;
use super::bytes::Bytes;

/// Datagrams, each behind how long after the one before it came (in units of 10 ms) and what it is: bytes as they are
/// (below 128: how many), or a message with these values.
pub(super) fn meter_v1(data: &[u8]) {
    let config = Esp32Config {
        address: ([127, 0, 0, 1], 30_000).into(),
        channel: 1,
        volts: Volts(5.0),
        volts_tolerance: 0.05,
        zone: "node".into(),
    };
    let mut channel = ChannelState::new(SourceId("esp32".into()), &config);
    let mut now = Timestamp(1_000 * Nanoseconds::SECOND.0);
    let mut books = Books::new(now);
    let mut bytes = Bytes::new(data);
    while !bytes.is_empty() {
        now = now + Nanoseconds::from_millis(u64::from(bytes.u16()) * 10 + 1);
        let kind = bytes.u8();
        if kind & 64 != 0 {
            channel.asked(now);
        }
        let heard = if kind < 128 {
            channel.datagram(now, bytes.chunk(usize::from(kind & 63) + 2))
        } else {
            let sample = v1::Sample {
                timestamp: u64::from(bytes.u32()) * 1_000,
                charge: f64::from(bytes.u32()),
                current: f32::from(bytes.u16()),
            };
            channel.datagram(now, &sample.encode_to_vec())
        };
        if let Some(reading) = heard.reading {
            books.read(reading, now);
        }
        books.close_window(now);
    }
}
