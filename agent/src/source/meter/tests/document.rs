//! docs/meter-protocol.md is what firmware is written from: its test vectors are checked here.

use prony_proto::meter::v2;

use crate::source::esp32::wire as v1;
use crate::units::{MilliampereSeconds, Milliamperes, Nanoseconds};

use super::super::frame::{Key, Kind, open};
use super::super::wire::{decode_report, encode_report, encode_request};

const DOCUMENT: &str = include_str!("../../../../../docs/meter-protocol.md");

/// The bytes in the fenced block whose info string is `hex NAME`.
fn vector(name: &str) -> Vec<u8> {
    let (_, rest) = DOCUMENT.split_once(&format!("```hex {name}\n")).unwrap_or_else(|| panic!("no vector {name}"));
    let (block, _) = rest.split_once("```").unwrap();
    hex::decode(block.split_whitespace().collect::<String>()).unwrap()
}

fn key() -> Key {
    Key::from_hex(&hex::encode(vector("key"))).unwrap()
}

fn request() -> v2::Request {
    v2::Request {
        action: v2::Action::Subscribe.into(),
        device: "bench-1".into(),
        channels: vec![1, 2],
        interval_ms: 1_000,
        lease_s: 30,
        nonce: 0x0123_4567_89ab_cdef,
        boot_id: 42,
        uptime_us: 12_000_000,
    }
}

fn report() -> v2::Report {
    v2::Report {
        device: "bench-1".into(),
        boot_id: 42,
        sequence: 7,
        uptime_us: 12_345_678,
        numbered_since_us: 6_345_678,
        nonce: 0x0123_4567_89ab_cdef,
        channels: vec![
            v2::Channel {
                channel: 1,
                charge_uas: 9_876_543,
                energy_uj: Some(49_382_715),
                bus_mv: Some(5_008),
                current_ua: 812_400,
                saturated_us: 0,
                flags: 0,
                uncertainty_ppm: 1_500,
            },
            v2::Channel {
                channel: 2,
                charge_uas: 1_000,
                energy_uj: None,
                bus_mv: None,
                current_ua: -400,
                saturated_us: 20_000,
                flags: 1,
                uncertainty_ppm: 0,
            },
        ],
    }
}

#[test]
fn the_v1_vector_is_what_the_client_reads() {
    let sample = v1::decode(&vector("v1-sample")).unwrap();
    assert_eq!(
        sample,
        v1::Sample {
            uptime: Nanoseconds::SECOND,
            charge: MilliampereSeconds(304_000.0),
            current: Milliamperes(1600.0)
        }
    );
}

#[test]
fn the_v2_vectors_are_what_both_sides_speak() {
    assert_eq!(hex::encode(encode_request(&request(), None)), hex::encode(vector("v2-request")));
    assert_eq!(hex::encode(encode_request(&request(), Some(&key()))), hex::encode(vector("v2-request-signed")));
    assert_eq!(hex::encode(encode_report(&report(), None)), hex::encode(vector("v2-report")));
    assert_eq!(hex::encode(encode_report(&report(), Some(&key()))), hex::encode(vector("v2-report-signed")));

    assert!(open(Kind::Request, &vector("v2-request-signed"), Some(&key())).is_ok());
    let plain = decode_report(&vector("v2-report"), None).unwrap();
    assert_eq!(plain, decode_report(&vector("v2-report-signed"), Some(&key())).unwrap());
    assert_eq!((plain.sequence, plain.channels.len()), (7, 2));
}
