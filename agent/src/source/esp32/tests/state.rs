//! Each hazard by itself.

use prony_proto::meter::v1;
use prost::Message;

use crate::clock::Timestamp;
use crate::config::Esp32Config;
use crate::source::metering::Outcome;
use crate::source::metering::books::Books;
use crate::source::{Measure, SourceId, Zone};
use crate::units::{Microjoules, Nanoseconds, Volts};

use super::super::{Change, ChannelState, Heard};

pub(super) fn config() -> Esp32Config {
    Esp32Config {
        address: "127.0.0.1:30000".parse().unwrap(),
        channel: 1,
        volts: Volts(5.0),
        volts_tolerance: 0.05,
        zone: "node".into(),
    }
}

pub(super) fn state() -> ChannelState {
    ChannelState::new(SourceId("esp32:test/1".into()), &config())
}

pub(super) const fn seconds(seconds: f64) -> Timestamp {
    Timestamp((seconds * 1e9) as u64)
}

fn datagram(uptime: f64, charge: f64) -> Vec<u8> {
    v1::Sample { timestamp: (uptime * 1e6) as u64, charge, current: 400.0 }.encode_to_vec()
}

/// A meter that has been up for `uptime` when the host's clock shows 1,000 s, at a steady 400 mA.
fn steady(uptime: f64, seconds_heard: u32) -> (ChannelState, Books) {
    let (mut state, mut books) = (state(), Books::default());
    state.asked(seconds(999.0));
    for second in 0..seconds_heard {
        let now = f64::from(second);
        let heard = state.datagram(seconds(1_000.0 + now), &datagram(uptime + now, 400.0 * (uptime + now)));
        books.add(&heard.reading.unwrap());
    }
    (state, books)
}

fn expect(heard: &Heard, outcome: Outcome) {
    assert_eq!((heard.outcome, heard.reading.is_some()), (outcome, outcome == Outcome::Accepted), "{heard:?}");
}

#[test]
fn the_deployed_vectors_become_joules_with_the_voltages_uncertainty() {
    let mut state = state();
    let heard = state.datagram(seconds(50.0), &hex::decode("08c0843d1100000000008e12411d0000c844").unwrap());
    let reading = heard.reading.unwrap();
    let Measure::Energy(counter) = reading.measure else { panic!() };
    assert_eq!((counter.total, counter.epoch), (Microjoules(1_520_000_000), 0));
    assert_eq!((reading.at, reading.zone), (seconds(50.0), Zone::from_config("node")));
    // 5 % either way, evenly distributed, is 2.9 % (one sigma); the shunt adds next to nothing.
    assert!((0.028..0.030).contains(&reading.uncertainty.0), "{}", reading.uncertainty.0);
}

#[test]
fn an_empty_datagram_is_a_meter_that_has_just_booted() {
    let mut state = state();
    expect(&state.datagram(seconds(5.0), &[]), Outcome::Accepted);
    expect(&state.datagram(seconds(5.1), &[]), Outcome::Duplicate);
}

#[test]
fn lost_copied_and_late_datagrams_change_no_energy() {
    let (mut state, mut books) = steady(500.0, 10);
    expect(&state.datagram(seconds(1_009.2), &datagram(509.0, 400.0 * 509.0)), Outcome::Duplicate);
    expect(&state.datagram(seconds(1_009.3), &datagram(505.5, 400.0 * 505.5)), Outcome::Reordered);
    let heard = state.datagram(seconds(1_060.0), &datagram(560.0, 400.0 * 560.0));
    books.add(heard.reading.as_ref().unwrap());
    assert_eq!(books.energy, Microjoules(60 * 400 * 5_000));
    assert_eq!(heard.change, None);
}

#[test]
fn a_reboot_keeps_the_energy_so_far_adds_what_was_counted_since_and_says_what_was_lost() {
    let (mut state, mut books) = steady(500.0, 10);
    state.asked(seconds(1_017.0));
    let heard = state.datagram(seconds(1_017.5), &datagram(2.5, 1_000.0));
    assert_eq!(heard.change, Some(Change::Rebooted { lost: Nanoseconds::from_millis(6_000) }));
    books.add(heard.reading.as_ref().unwrap());
    assert_eq!(books.energy, Microjoules(9 * 400 * 5_000 + 1_000 * 5_000));
    // A straggler of the boot before.
    expect(&state.datagram(seconds(1_017.6), &datagram(510.0, 400.0 * 510.0)), Outcome::Reordered);
}

#[test]
fn a_reboot_during_a_long_silence_is_noticed_though_time_went_on() {
    // Heard at an uptime of 20 s; rebooted at 1,100 s; heard again at an uptime of 400 s with a smaller charge.
    let (mut state, mut books) = steady(11.0, 10);
    state.asked(seconds(1_500.0));
    let heard = state.datagram(seconds(1_500.0), &datagram(400.0, 6_000.0));
    assert_eq!(heard.change, Some(Change::Rebooted { lost: Nanoseconds::from_millis(91_000) }));
    books.add(heard.reading.as_ref().unwrap());
    assert_eq!(books.energy, Microjoules(9 * 400 * 5_000 + 6_000 * 5_000));
}

#[test]
fn a_reboot_during_a_long_silence_is_noticed_though_time_and_charge_went_on() {
    let (mut state, mut books) = steady(11.0, 10);
    state.asked(seconds(1_500.0));
    for (now, outcome) in [(0.0, Outcome::Held), (1.0, Outcome::Held), (2.0, Outcome::Accepted)] {
        let heard = state.datagram(seconds(1_500.0 + now), &datagram(400.0 + now, 160_000.0 + 400.0 * now));
        expect(&heard, outcome);
        heard.reading.iter().for_each(|reading| books.add(reading));
    }
    assert_eq!(books.energy, Microjoules(9 * 400 * 5_000 + 160_800 * 5_000));
}

#[test]
fn a_silence_without_a_reboot_loses_nothing() {
    let (mut state, mut books) = steady(11.0, 10);
    state.asked(seconds(1_500.0));
    let heard = state.datagram(seconds(1_511.0), &datagram(522.0, 400.0 * 522.0));
    expect(&heard, Outcome::Accepted);
    books.add(heard.reading.as_ref().unwrap());
    assert_eq!((books.energy, heard.change), (Microjoules(511 * 400 * 5_000), None));
}

#[test]
fn a_stopped_agent_that_finds_a_full_socket_sees_no_reboot() {
    let (mut state, mut books) = steady(2.0, 5);
    for late in 5..90 {
        let uptime = 2.0 + f64::from(late);
        let heard = state.datagram(seconds(1_090.0), &datagram(uptime, 400.0 * uptime));
        assert_eq!(heard.change, None);
        books.add(heard.reading.as_ref().unwrap());
    }
    assert_eq!(books.energy, Microjoules(89 * 400 * 5_000));
}

#[test]
fn a_host_that_slept_hears_the_same_counter_again() {
    // The monotonic clock stands still in suspend: the meter is an hour ahead.
    let (mut state, mut books) = steady(500.0, 10);
    for (now, outcome) in [(0.0, Outcome::Held), (1.0, Outcome::Held), (2.0, Outcome::Accepted)] {
        let uptime = 4_110.0 + now;
        let heard = state.datagram(seconds(1_010.0 + now), &datagram(uptime, 400.0 * uptime));
        expect(&heard, outcome);
        assert_eq!(heard.change, None);
        heard.reading.iter().for_each(|reading| books.add(reading));
    }
    assert_eq!(books.energy, Microjoules(3_612 * 400 * 5_000));
}

#[test]
fn another_channels_stream_is_kept_out() {
    for other in [90_000.0, 900_000.0] {
        let (mut state, mut books) = steady(500.0, 10);
        for second in 10..100 {
            let now = f64::from(second);
            let foreign = state.datagram(seconds(1_000.1 + now), &datagram(500.1 + now, other + 100.0 * now));
            expect(&foreign, Outcome::Foreign);
            let heard = state.datagram(seconds(1_000.5 + now), &datagram(500.5 + now, 400.0 * (500.5 + now)));
            books.add(heard.reading.as_ref().unwrap());
        }
        assert_eq!(books.energy, Microjoules(99_500 * 400 * 5));
    }
}

#[test]
fn a_counter_that_jumps_is_followed_without_the_jump() {
    let (mut state, mut books) = steady(500.0, 10);
    let mut changes = Vec::new();
    for second in 10..20 {
        let now = f64::from(second);
        let heard = state.datagram(seconds(1_000.0 + now), &datagram(500.0 + now, 7e9 + 400.0 * now));
        changes.extend(heard.change);
        heard.reading.iter().for_each(|reading| books.add(reading));
    }
    assert_eq!(changes, [Change::CounterReset { lost: Nanoseconds::SECOND }]);
    assert_eq!(books.energy, Microjoules(18 * 400 * 5_000));
}

#[test]
fn one_wrong_time_does_not_shut_the_meter_out() {
    let (mut state, mut books) = steady(500.0, 10);
    expect(&state.datagram(seconds(1_009.5), &datagram(90_000.0, 400.0 * 509.5)), Outcome::Held);
    let heard = state.datagram(seconds(1_010.0), &datagram(510.0, 400.0 * 510.0));
    expect(&heard, Outcome::Accepted);
    books.add(heard.reading.as_ref().unwrap());
    assert_eq!(books.energy, Microjoules(10 * 400 * 5_000));
}

#[test]
fn full_scale_is_said_and_makes_the_reading_unsure() {
    let mut state = state();
    let full = |uptime: u64| v1::Sample { timestamp: uptime, charge: 1.0, current: 1638.0 }.encode_to_vec();
    let heard = state.datagram(seconds(10.0), &full(1_000_000));
    assert!(heard.saturated);
    assert!(heard.reading.unwrap().uncertainty.0 > 0.5);
}

#[test]
fn rubbish_is_refused_with_a_reason_and_changes_nothing() {
    let (mut state, mut books) = steady(500.0, 10);
    for rubbish in [&[0xff; 30][..], &[0; 65], b"GET / HTTP/1.1", &datagram(510.0, -1.0), &datagram(510.0, f64::NAN)] {
        let heard = state.datagram(seconds(1_009.5), rubbish);
        expect(&heard, Outcome::Malformed);
        assert!(!heard.error.unwrap().to_string().is_empty());
    }
    books.add(&state.datagram(seconds(1_010.0), &datagram(510.0, 400.0 * 510.0)).reading.unwrap());
    assert_eq!(books.energy, Microjoules(10 * 400 * 5_000));
}
