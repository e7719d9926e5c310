//! Meters of protocol v2 that push to one address, whatever their datagrams are and whenever they come.

use prony::clock::Timestamp;
use prony::config::MeterConfig;
use prony::source::meter::frame::{self, Key, Kind};
use prony::source::meter::wire::{decode_report, encode_report};
use prony::source::meter::{MeterLink, links};
use prony::units::{Nanoseconds, Volts};
use prony_proto::meter::v2;

use super::books::Books;
use super::bytes::Bytes;

/// Datagrams, each behind how long after the one before it came (in units of 10 ms), what it is (bytes as they are, the
/// payload of a good frame, or a report with these values) and, for bytes, how many they are.
pub(super) fn meter_v2(data: &[u8]) {
    let mut link = link();
    let key = Key::from_hex(&"5a".repeat(Key::SHORTEST)).expect("a good key");
    let mut now = Timestamp(1_000 * Nanoseconds::SECOND.0);
    let mut books = Books::new(now);
    let mut bytes = Bytes::new(data);
    while !bytes.is_empty() {
        now = now + Nanoseconds::from_millis(u64::from(bytes.u16()) * 10 + 1);
        let datagram = match bytes.u8() % 4 {
            0 => next_chunk(&mut bytes).to_vec(),
            1 => frame::seal(Kind::Report, next_chunk(&mut bytes), None),
            2 => {
                let sealed = frame::seal(Kind::Report, next_chunk(&mut bytes), Some(&key));
                let _ = decode_report(&sealed, Some(&key));
                sealed
            }
            _ => encode_report(&report(&mut bytes), None),
        };
        if let Ok(report) = decode_report(&datagram, None) {
            assert!(!report.device.is_empty() && report.numbered_since <= report.uptime, "{report:?}");
        }
        let mut readings = Vec::new();
        link.hear(now, &datagram, &mut |reading| readings.push(reading));
        for reading in readings {
            books.read(reading, now);
        }
        books.close_window(now);
    }
}

fn next_chunk<'a>(bytes: &mut Bytes<'a>) -> &'a [u8] {
    let length = bytes.u8();
    bytes.chunk(usize::from(length))
}

fn link() -> MeterLink {
    let channel = |channel, zone: &str| MeterConfig {
        address: None,
        listen: Some(([127, 0, 0, 1], 30_001).into()),
        device: "m".into(),
        channel,
        key_file: None,
        volts: Some(Volts(12.0)),
        volts_tolerance: 0.05,
        zone: zone.into(),
    };
    let link = links(&[channel(1, "node"), channel(2, "rail")]).pop();
    link.expect("one address, one link").expect("a good configuration")
}

fn report(bytes: &mut Bytes<'_>) -> v2::Report {
    let mut channel = |channel| v2::Channel {
        channel,
        charge_uas: u64::from(bytes.u32()) << (bytes.u8() % 32),
        energy_uj: bytes.u8().is_multiple_of(2).then(|| u64::from(bytes.u32()) << (bytes.u8() % 32)),
        saturated_us: u64::from(bytes.u16()) << (bytes.u8() % 48),
        flags: u32::from(bytes.u8()),
        ..v2::Channel::default()
    };
    let channels = vec![channel(1), channel(2)];
    let uptime_us = u64::from(bytes.u32()) << (bytes.u8() % 24);
    v2::Report {
        device: "m".into(),
        boot_id: u64::from(bytes.u8()),
        sequence: u64::from(bytes.u16()) << (bytes.u8() % 48),
        uptime_us,
        channels,
        numbered_since_us: uptime_us.checked_shr(u32::from(bytes.u8())).unwrap_or(0),
        ..v2::Report::default()
    }
}
