//! Each hazard by itself.

use crate::clock::Timestamp;
use crate::config::MeterConfig;
use crate::source::Measure;
use crate::source::metering::Outcome;
use crate::source::metering::books::Books;
use crate::units::{Microjoules, MilliampereSeconds, Milliamperes, Nanoseconds, RelativeUncertainty, Volts};

use super::super::device_state::{ChannelProblem, DeviceState, Freshness, Heard};
use super::super::wire::{Channel, Report};
use super::config;

const fn seconds(seconds: u64) -> Timestamp {
    Timestamp(seconds * 1_000_000_000)
}

fn channel(number: u32, energy: Option<u64>) -> Channel {
    Channel {
        number,
        charge: MilliampereSeconds(energy.unwrap_or(5_000_000) as f64 / 5e3),
        energy: energy.map(Microjoules),
        current: Milliamperes(400.0),
        saturated: Nanoseconds::ZERO,
        sensor_failed: false,
        uncertainty: RelativeUncertainty(0.002),
    }
}

fn report(boot_id: u64, sequence: u64, uptime: u64, energy: u64) -> Report {
    let channels = vec![channel(1, Some(7)), channel(2, Some(energy))];
    let uptime = Nanoseconds::from_millis(uptime * 1_000);
    let numbered_since = Nanoseconds::ZERO;
    Report { device: "meter-sim".into(), boot_id, sequence, numbered_since, uptime, nonce: 0, channels }
}

struct Fixture {
    state: DeviceState,
    books: Books,
    freshness: Freshness,
}

impl Fixture {
    fn new(freshness: Freshness) -> Self {
        Self { state: DeviceState::new([&config()]), books: Books::default(), freshness }
    }

    fn hear(&mut self, at: u64, report: &Report) -> (Outcome, Heard) {
        let (outcome, heard) = self.state.report(seconds(at), report, self.freshness);
        heard.readings.iter().for_each(|reading| self.books.add(reading));
        (outcome, heard)
    }
}

#[test]
fn lost_copied_and_late_reports_change_no_energy_and_losses_are_counted() {
    let mut meter = Fixture::new(Freshness::Unauthenticated);
    assert_eq!(meter.hear(100, &report(1, 1, 10, 1_000)).0, Outcome::Accepted);
    assert_eq!(meter.hear(101, &report(1, 3, 12, 3_000)).0, Outcome::Accepted);
    assert_eq!(meter.hear(101, &report(1, 3, 12, 3_000)).0, Outcome::Duplicate);
    assert_eq!(meter.hear(102, &report(1, 2, 11, 2_000)).0, Outcome::Reordered);
    let (outcome, heard) = meter.hear(140, &report(1, 40, 49, 40_000));
    assert_eq!((outcome, heard.reports_lost), (Outcome::Accepted, 36 - 15));
    assert_eq!(meter.books.energy, Microjoules(39_000));
}

#[test]
fn a_reboot_keeps_the_energy_so_far_adds_what_was_counted_since_and_says_what_was_lost() {
    let mut meter = Fixture::new(Freshness::Replayable);
    meter.hear(100, &report(1, 1, 10, 1_000));
    meter.hear(110, &report(1, 2, 20, 5_000));
    let (_, heard) = meter.hear(130, &report(2, 1, 4, 700));
    assert_eq!(heard.rebooted, Some(Nanoseconds::from_millis(16_000)));
    assert_eq!(meter.hear(131, &report(1, 3, 21, 5_500)).0, Outcome::Reordered);
    assert_eq!(meter.books.energy, Microjoules(4_700));
}

#[test]
fn reports_sent_again_by_somebody_are_dropped_for_ever() {
    let mut meter = Fixture::new(Freshness::Replayable);
    let old = [report(1, 1, 10, 1_000), report(1, 2, 20, 5_000), report(2, 1, 4, 700), report(2, 2, 5, 900)];
    for (at, report) in (100..).zip(&old) {
        assert_eq!(meter.hear(at, report).0, Outcome::Accepted);
    }
    for (at, report) in (1_000_000..).zip(&old) {
        assert!(matches!(meter.hear(at, report).0, Outcome::Duplicate | Outcome::Reordered));
    }
}

#[test]
fn a_subscription_that_is_made_again_may_number_its_reports_anew() {
    let mut meter = Fixture::new(Freshness::Replayable);
    meter.hear(100, &report(1, 30, 30, 1_000));
    let again = Report { numbered_since: Nanoseconds::from_millis(39_000), ..report(1, 1, 40, 2_000) };
    assert_eq!(meter.hear(110, &again).0, Outcome::Accepted);
    assert_eq!(meter.hear(111, &report(1, 31, 31, 1_500)).0, Outcome::Reordered);
    assert_eq!(meter.books.energy, Microjoules(1_000));
}

#[test]
fn a_meter_whose_memory_was_erased_is_heard_again_where_that_is_safe() {
    for (freshness, pause, outcome) in [
        (Freshness::Certain, 1, Outcome::Accepted),
        (Freshness::Unauthenticated, 1, Outcome::Reordered),
        (Freshness::Unauthenticated, 60, Outcome::Accepted),
        (Freshness::Replayable, 60, Outcome::Reordered),
    ] {
        let mut meter = Fixture::new(Freshness::Replayable);
        meter.hear(100, &report(77, 1, 10, 1_000));
        meter.freshness = freshness;
        assert_eq!(meter.hear(100 + pause, &report(1, 1, 0, 50)).0, outcome, "{freshness:?} after {pause} s");
    }
}

#[test]
fn charge_becomes_energy_by_the_configured_voltage_and_not_without() {
    let charge_only = |sequence| Report { channels: vec![channel(2, None)], ..report(1, sequence, sequence, 0) };
    let volts = MeterConfig { volts: Some(Volts(12.0)), ..config() };
    let (_, heard) = DeviceState::new([&volts]).report(seconds(1), &charge_only(1), Freshness::Certain);
    let Measure::Energy(counter) = heard.readings[0].measure else { panic!() };
    assert_eq!(counter.total, Microjoules(12_000_000));
    assert!((0.028..0.030).contains(&heard.readings[0].uncertainty.0));

    let (_, heard) = DeviceState::new([&config()]).report(seconds(1), &charge_only(1), Freshness::Certain);
    assert_eq!((heard.readings.len(), heard.problems), (0, vec![ChannelProblem::NoVoltage(2)]));
}

#[test]
fn one_bad_channel_does_not_silence_the_others() {
    let others = [1, 2, 3].map(|channel| MeterConfig { channel, ..config() });
    let mut state = DeviceState::new(&others);
    state.report(seconds(1), &report(1, 1, 1, 100), Freshness::Certain);
    let mut next = report(1, 2, 2, 99);
    next.channels[0].sensor_failed = true;
    let (outcome, heard) = state.report(seconds(2), &next, Freshness::Certain);
    assert_eq!((outcome, heard.readings.len()), (Outcome::Accepted, 0));
    assert_eq!(
        heard.problems,
        [ChannelProblem::SensorFailed(1), ChannelProblem::WentBack(2), ChannelProblem::Absent(3)]
    );
}

#[test]
fn time_at_full_scale_makes_readings_unsure_even_if_the_report_of_it_was_lost() {
    let mut meter = Fixture::new(Freshness::Certain);
    let sure = meter.hear(1, &report(1, 1, 1, 100)).1;
    let mut later = report(1, 9, 11, 200);
    later.channels[1].saturated = Nanoseconds::from_millis(5_000);
    let unsure = meter.hear(11, &later).1;
    assert!(!sure.saturated && unsure.saturated);
    assert!(sure.readings[0].uncertainty.0 < 0.01 && unsure.readings[0].uncertainty.0 > 0.2);
}
