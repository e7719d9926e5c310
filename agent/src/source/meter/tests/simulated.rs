//! Ten minutes with a simulated meter on a bad network.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::SocketAddr;

use prony_proto::meter::v2;
use proptest::prelude::*;
use tempfile::NamedTempFile;

use crate::cli::meter_sim::{BoardSettings, Impairments, PowerTrace, Protocol, Settings, Simulator};
use crate::clock::Timestamp;
use crate::config::MeterConfig;
use crate::source::metering::books::Books;
use crate::units::{Microjoules, Nanoseconds, Volts};

use super::super::frame::Key;
use super::super::link::{MeterLink, links};
use super::super::wire::decode_report;
use super::config;

const STEP: Nanoseconds = Nanoseconds::from_millis(10);
const HOST_START: Timestamp = Timestamp(8_123_456_789_012);
const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const BAD: Impairments = Impairments { loss: 0.2, duplicate: 0.1, reorder: 0.2 };

fn client() -> SocketAddr {
    "192.0.2.1:4000".parse().unwrap()
}

fn key_file() -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    writeln!(file, "{KEY}").unwrap();
    file
}

fn simulator(seed: u64, impairments: Impairments, key: Option<&Key>, push_to: Option<SocketAddr>) -> Simulator {
    Simulator::new(Settings {
        protocol: Protocol::V2 { device: "meter-sim".into(), key: key.cloned(), push_to },
        board: BoardSettings {
            channels: 3,
            volts: Volts(5.0),
            noise: 0.02,
            clock_drift_ppm: -120.0,
            first_boot_id: 1_700_000_000,
        },
        impairments,
        interval: Nanoseconds::SECOND,
        reboot_every: None,
        seed,
    })
}

/// Lets a link and a simulator talk for `length`; the energy that the client counted, and that which
/// arrived, of each boot before anything of the next.
fn talk(
    link: &mut MeterLink,
    simulator: &mut Simulator,
    key: Option<&Key>,
    length: Nanoseconds,
    reboots: &[Nanoseconds],
) -> (Microjoules, Microjoules) {
    let trace = PowerTrace::parse("0,2.5\n7,6.1\n11,3.3\n30,2.5\n47,7.9\n60,2.5").unwrap();
    let mut books = Books::default();
    let (mut first, mut arrived) = (None, BTreeMap::<u64, u64>::new());
    let mut now = Nanoseconds::ZERO;
    while now < length {
        now += STEP;
        let host = HOST_START + now;
        for datagram in simulator.advance(now, trace.at(now)) {
            link.hear(host, &datagram.bytes, &mut |reading| books.add(&reading));
            let report = decode_report(&datagram.bytes, key).unwrap();
            let channel = report.channels.iter().find(|channel| channel.number == 2).unwrap();
            let Microjoules(energy) = channel.energy.unwrap();
            first.get_or_insert(energy);
            if arrived.keys().all(|&heard| heard <= report.boot_id) {
                let largest = arrived.entry(report.boot_id).or_default();
                *largest = energy.max(*largest);
            }
        }
        if reboots.contains(&now) {
            simulator.reboot();
        }
        if let Ok(request) = link.due_request(host) {
            simulator.receive(client(), &request);
        }
    }
    (books.energy, Microjoules(arrived.values().sum::<u64>() - first.unwrap_or(0)))
}

const TEN_MINUTES: Nanoseconds = Nanoseconds::from_millis(600_000);
const REBOOTS: [Nanoseconds; 2] = [Nanoseconds::from_millis(187_340), Nanoseconds::from_millis(402_910)];

#[test]
fn a_subscriber_counts_what_arrived_to_the_microjoule() {
    for seed in 0..3 {
        let mut link = links(&[config()]).remove(0).unwrap();
        let mut simulator = simulator(seed, BAD, None, None);
        let (counted, arrived) = talk(&mut link, &mut simulator, None, TEN_MINUTES, &REBOOTS);
        assert_eq!(counted, arrived);
        assert!(counted > Microjoules(1_500_000_000), "only {counted}");
        // One more for half a minute after a silence, until its lease ends.
        assert!(simulator.streams() <= 2);
    }
}

#[test]
fn a_subscription_ends_when_its_client_says_so() {
    let mut link = links(&[config()]).remove(0).unwrap();
    let mut simulator = simulator(4, Impairments::default(), None, None);
    talk(&mut link, &mut simulator, None, Nanoseconds::from_millis(20_000), &[]);
    assert_eq!(simulator.streams(), 1);
    simulator.receive(client(), &link.request(v2::Action::Unsubscribe).unwrap());
    assert_eq!(simulator.streams(), 0);
}

#[test]
fn an_authenticated_subscriber_counts_what_arrived_to_the_microjoule() {
    let (file, key) = (key_file(), Key::from_hex(KEY).unwrap());
    let config = MeterConfig { key_file: Some(file.path().into()), ..config() };
    let mut link = links(&[config]).remove(0).unwrap();
    let (counted, arrived) =
        talk(&mut link, &mut simulator(5, BAD, Some(&key), None), Some(&key), TEN_MINUTES, &REBOOTS);
    assert_eq!(counted, arrived);
    assert!(counted > Microjoules(1_500_000_000), "only {counted}");
}

#[test]
fn a_listener_counts_what_was_pushed_to_the_microjoule() {
    let config = MeterConfig { address: None, listen: Some(client()), ..config() };
    let mut link = links(&[config]).remove(0).unwrap();
    let mut simulator = simulator(6, BAD, None, Some(client()));
    let (counted, arrived) = talk(&mut link, &mut simulator, None, TEN_MINUTES, &REBOOTS);
    assert_eq!(counted, arrived);
    assert!(counted > Microjoules(1_500_000_000), "only {counted}");
}

#[test]
fn without_the_key_nothing_is_heard_or_granted() {
    let key = Key::from_hex(KEY).unwrap();
    let mut link = links(&[config()]).remove(0).unwrap();
    let mut simulator = simulator(7, Impairments::default(), Some(&key), None);
    let minute = Nanoseconds::from_millis(60_000);
    let (counted, _) = talk(&mut link, &mut simulator, Some(&key), minute, &[]);
    assert_eq!((counted, simulator.streams()), (Microjoules::ZERO, 0));
}

#[test]
fn a_request_sent_again_later_starts_nothing() {
    let (file, key) = (key_file(), Key::from_hex(KEY).unwrap());
    let config = MeterConfig { key_file: Some(file.path().into()), ..config() };
    let mut link = links(&[config]).remove(0).unwrap();
    let mut simulator = simulator(8, Impairments::default(), Some(&key), None);
    talk(&mut link, &mut simulator, Some(&key), Nanoseconds::from_millis(20_000), &[]);
    assert_eq!(simulator.streams(), 1);
    let recorded = link.request(v2::Action::Subscribe).unwrap();

    // The client is gone; its lease ends, and its last request grows old.
    let mut now = Nanoseconds::from_millis(20_000);
    while now < Nanoseconds::from_millis(200_000) {
        now += STEP;
        simulator.advance(now, crate::units::Watts(3.0));
    }
    assert_eq!(simulator.streams(), 0);
    simulator.receive("198.51.100.66:1".parse().unwrap(), &recorded);
    assert_eq!(simulator.streams(), 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn any_loss_copying_and_disorder_leave_the_total_exact(
        seed in any::<u64>(), loss in 0.0_f64..0.9, duplicate in 0.0_f64..0.5, reorder in 0.0_f64..0.9,
    ) {
        let mut link = links(&[config()]).remove(0).unwrap();
        let mut simulator = simulator(seed, Impairments { loss, duplicate, reorder }, None, None);
        let minute = Nanoseconds::from_millis(60_000);
        let (counted, arrived) = talk(&mut link, &mut simulator, None, minute, &[]);
        // What came under an earlier nonce is dropped, and its energy comes with the next report: at the end, that may
        // be outstanding.
        prop_assert!(counted <= arrived, "{counted} is more than {arrived}");
        prop_assert!(loss > 0.1 || counted == arrived, "{counted} is not {arrived}");
    }

    #[test]
    fn whatever_comes_is_survived(datagrams in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 0..50)) {
        let mut link = links(&[config()]).remove(0).unwrap();
        for datagram in datagrams {
            link.hear(HOST_START, &datagram, &mut |_| panic!("a reading of nothing"));
        }
    }
}
