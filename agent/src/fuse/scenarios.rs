//! What fusion makes of meters as they are.

use std::sync::Arc;

use crate::clock::UnixSeconds;
use crate::config::StaticPower;
use crate::profile::Profile;
use crate::source::{Counter, CounterRange, IdlePower, Measure, Provenance, Reading, SourceId, Zone};
use crate::units::{Microjoules, Nanoseconds, Watts};

use super::fixtures::{Random, node, package, reading, window};
use super::{EnergyWindow, Fusion, Limits};

const MILLI: u64 = 1_000_000;

fn counted(source: &str, zone: Zone, millis: u64, total: u64) -> Reading {
    let counter =
        Counter { total: Microjoules(total), range: CounterRange::Unbounded, epoch: 0, outlives_agent: false };
    reading(source, zone, millis * MILLI, Measure::Energy(counter))
}

fn with_static(zone: &str, watts: f64) -> Fusion {
    Fusion::new(&StaticPower::from([(zone.to_owned(), Watts(watts))]), Limits::default())
}

/// Windows of 100 ms between two times in which process 1 is busy on both CPUs for `busy` ms of each.
fn run(fusion: &mut Fusion, from: u64, to: u64, busy: u64) {
    for start in (from..to).step_by(100) {
        fusion.window(Arc::new(window(
            start * MILLI,
            (start + 100) * MILLI,
            &[(1, 0, busy * MILLI), (1, 1, busy * MILLI)][..if busy > 0 { 2 } else { 0 }],
        )));
    }
}

fn drained(fusion: &mut Fusion) -> Vec<EnergyWindow> {
    let mut windows = Vec::new();
    fusion.drain(&mut windows);
    windows
}

fn energies(windows: &[EnergyWindow]) -> Vec<u64> {
    windows.iter().map(|window| window.energy.0).collect()
}

#[test]
fn a_counter_read_at_window_ends_is_measured_at_once() {
    let mut fusion = with_static("package-1", 2.0);
    run(&mut fusion, 0, 100, 50);
    fusion.reading(counted("rapl", package(1), 100, 5_000_000));
    for (end, total) in [(200, 5_300_000), (300, 5_450_000)] {
        fusion.reading(counted("rapl", package(1), end, total));
        assert!(drained(&mut fusion).is_empty(), "its window of activity is still to come");
        run(&mut fusion, end - 100, end, 50);
        let [found] = &drained(&mut fusion)[..] else { panic!("one window at once") };
        assert_eq!(found.activity.to.0, end * MILLI);
        assert_eq!(found.provenance, Provenance::Measured);
        // The source's own 1 %, and the two updates of about a millisecond at a time that nobody knows.
        let timing = Nanoseconds(976_600).seconds() / 0.1 / 6.0_f64.sqrt();
        assert!((found.uncertainty.0 - 0.01_f64.hypot(timing)).abs() < 1e-4, "{}", found.uncertainty.0);
        assert!((found.lasting_uncertainty.0 - 0.01).abs() < 1e-9);
        let expected = if end == 200 { (300_000, 200_000) } else { (150_000, 150_000) };
        assert_eq!((found.energy.0, found.static_energy.0), expected);
    }
}

#[test]
fn a_slow_meter_is_spread_by_static_power_and_busy_time() {
    let mut fusion = with_static("node", 1.0);
    fusion.reading(counted("meter", node(), 50, 0));
    run(&mut fusion, 0, 500, 0);
    run(&mut fusion, 500, 1000, 100);
    assert!(drained(&mut fusion).is_empty());
    fusion.reading(counted("meter", node(), 950, 4_500_000));
    // 0.9 J static; 3.6 J above it over 4.5 busy windows.
    let found = drained(&mut fusion);
    assert_eq!(
        energies(&found),
        [50_000, 100_000, 100_000, 100_000, 100_000, 900_000, 900_000, 900_000, 900_000],
        "the last window is not covered to its end"
    );
    for window in &found {
        assert_eq!(window.provenance, Provenance::Fused);
        assert_eq!(window.static_energy.0, if window.energy.0 == 50_000 { 50_000 } else { 100_000 });
    }
    let (idle, busy) = (found[1].uncertainty.0, found[5].uncertainty.0);
    assert!((idle - 0.01).abs() < 1e-4, "static power is as sure as the meter: {idle}");
    assert!((0.15..0.25).contains(&busy), "the model is not: {busy}");
    assert_eq!(fusion.books().next().map(|books| books.held), Some(Microjoules(450_000)));
}

#[test]
fn a_meter_that_comes_back_is_charged_to_those_who_ran_meanwhile() {
    let mut fusion = with_static("node", 0.0);
    fusion.reading(counted("meter", node(), 0, 0));
    run(&mut fusion, 0, 60_000, 80);
    assert!(drained(&mut fusion).is_empty());
    fusion.reading(counted("meter", node(), 60_000, 600_000_000));
    let found = drained(&mut fusion);
    assert_eq!(energies(&found).iter().sum::<u64>(), 600_000_000);
    assert!(found.len() <= 101, "the older ones were joined: {}", found.len());
    let oldest = &found[0];
    assert_eq!((oldest.activity.from.0, oldest.activity.slices.len()), (0, 2));
    assert_eq!(
        oldest.activity.busy(None) + oldest.activity.idle.iter().copied().sum(),
        Nanoseconds(oldest.activity.length().0 * 2)
    );
    assert_eq!(oldest.energy.over(oldest.activity.length()), Watts(10.0));
}

#[test]
fn after_too_long_a_silence_nobody_is_charged() {
    let mut fusion = with_static("node", 0.0);
    fusion.reading(counted("meter", node(), 0, 0));
    run(&mut fusion, 0, 700_000, 80);
    fusion.reading(counted("meter", node(), 700_000, 700_000_000));
    let found = drained(&mut fusion);
    assert_eq!(energies(&found).iter().sum::<u64>(), 700_000_000);
    assert!(found[0].activity.slices.is_empty() && found[0].activity.length() > Limits::default().joined_time);
    assert_eq!(found[1].activity.slices.len(), 2, "the newest are still known");
    assert!(found[1..].iter().all(|window| window.energy.0 == 100_000), "and cost what they cost");
}

#[test]
fn only_one_source_of_a_zone_is_booked() {
    let mut fusion = with_static("node", 0.0).prefer(vec![SourceId("first".into()), SourceId("second".into())]);
    for tick in 0..10 {
        run(&mut fusion, tick * 1000, (tick + 1) * 1000, 50);
        fusion.reading(counted("second", node(), (tick + 1) * 1000, tick * 2_000_000));
        fusion.reading(counted("first", node(), (tick + 1) * 1000, tick * 1_000_000));
    }
    let found = drained(&mut fusion);
    assert!(found.iter().all(|window| &*window.source.0 == "first"));
    assert_eq!(energies(&found).iter().sum::<u64>(), 9_000_000);
}

#[test]
fn a_meter_is_preferred_to_an_estimate() {
    let mut fusion = with_static("node", 0.0);
    for tick in 0..10 {
        run(&mut fusion, tick * 1000, (tick + 1) * 1000, 50);
        let estimate = counted("estimate", node(), (tick + 1) * 1000, tick * 7_000_000);
        fusion.reading(Reading { provenance: Provenance::Estimated, ..estimate });
        if tick >= 5 {
            fusion.reading(counted("meter", node(), (tick + 1) * 1000, tick * 1_000_000));
        }
    }
    let found = drained(&mut fusion);
    let of =
        |source| found.iter().filter(|window| &*window.source.0 == source).map(|window| window.energy.0).sum::<u64>();
    assert_eq!((of("estimate"), of("meter")), (5 * 7_000_000, 4 * 1_000_000));
}

#[test]
fn the_next_source_takes_over_from_a_silent_one_without_a_gap_and_gives_way_again() {
    let mut fusion = with_static("node", 0.0).prefer(vec![SourceId("first".into())]);
    for tick in 1..=60 {
        run(&mut fusion, (tick - 1) * 1000, tick * 1000, 50);
        if !(21..40).contains(&tick) {
            fusion.reading(counted("first", node(), tick * 1000, tick * 1_000_000));
        }
        fusion.reading(counted("second", node(), tick * 1000, tick * 1_000_000));
    }
    let found = drained(&mut fusion);
    assert_eq!(
        energies(&found).iter().sum::<u64>(),
        58_000_000,
        "all after the first reading, but for the second in which the first source came back"
    );
    let mut of_second = found.iter().filter(|window| &*window.source.0 == "second");
    assert_eq!(of_second.next().map(|window| window.activity.from.0 / MILLI), Some(20_000));
    assert_eq!(of_second.next_back().map(|window| window.activity.to.0 / MILLI), Some(39_000));
    assert_eq!(fusion.books().next().map(|books| books.source), Some(SourceId("first".into())));
}

#[test]
fn a_source_that_knows_its_static_power_need_not_be_seen_idle() {
    let source = SourceId("estimate".into());
    let known = IdlePower { source, zone: package(0), power: Watts(5.0) };
    let mut fusion = Fusion::new(&StaticPower::new(), Limits::default()).knowing(vec![known]);
    for tick in 0..50 {
        run(&mut fusion, tick * 100, (tick + 1) * 100, 100);
        for source in ["estimate", "rapl"] {
            fusion.reading(counted(source, package(u32::from(source == "rapl")), (tick + 1) * 100, tick * 3_000_000));
        }
    }
    for window in drained(&mut fusion) {
        let known = window.zone == package(0);
        assert_eq!(window.static_energy == Microjoules(500_000), known, "5 W, of the one that knows it only");
    }
}

#[test]
fn a_zone_with_no_configured_static_power_learns_it() {
    let mut fusion = Fusion::new(&StaticPower::new(), Limits::default());
    let mut total = 0;
    for tick in 0..100 {
        let busy = if tick < 50 { 0 } else { 100 };
        run(&mut fusion, tick * 100, (tick + 1) * 100, busy);
        total += if busy == 0 { 500_000 } else { 3_000_000 };
        fusion.reading(counted("rapl", package(0), (tick + 1) * 100, total));
    }
    for window in drained(&mut fusion) {
        assert_eq!(window.static_energy, Microjoules(500_000), "5 W also under load");
    }
}

/// A zone that draws 25 W under constant load, by a source whose static power of 5 W is remembered.
fn with_profile(mut fusion: Fusion) -> (Vec<Microjoules>, Vec<IdlePower>) {
    for tick in 0..300 {
        run(&mut fusion, tick * 100, (tick + 1) * 100, 80);
        fusion.reading(counted("rapl", package(0), (tick + 1) * 100, tick * 2_500_000));
    }
    let static_energies = drained(&mut fusion).iter().map(|window| window.static_energy).collect();
    (static_energies, fusion.learned().collect())
}

#[test]
fn static_power_that_is_remembered_need_not_be_seen_again() {
    let remembered = IdlePower { source: SourceId("rapl".into()), zone: package(0), power: Watts(5.0) };
    let mut profile = Profile::default();
    profile.put(remembered.clone(), UnixSeconds(1));
    let (static_energies, learned) =
        with_profile(Fusion::new(&StaticPower::new(), Limits::default()).remembering(profile.clone()));
    let (first, last) = (static_energies[0], static_energies[static_energies.len() - 1]);
    assert_eq!(first, Microjoules(500_000), "at once");
    assert!(last.0.abs_diff(500_000) < 25_000, "{last} where a model is learned too");
    assert_eq!(learned, [remembered]);

    let (static_energies, learned) = with_profile(with_static("package-0", 2.0).remembering(profile));
    assert!(static_energies.iter().all(|energy| *energy == Microjoules(200_000)), "what is configured wins");
    assert_eq!(learned, [], "and is nothing that was learned");
}

#[test]
fn what_was_never_idle_is_not_worth_remembering() {
    let (_, learned) = with_profile(Fusion::new(&StaticPower::new(), Limits::default()));
    assert_eq!(learned, []);
}

#[test]
fn what_is_read_at_the_end_of_long_windows_stays_measured() {
    let mut fusion = with_static("package-0", 1.0);
    let (mut random, mut total) = (Random(5), 0);
    fusion.reading(counted("rapl", package(0), 0, total));
    for second in 0..120_u64 {
        let busy = random.next();
        total += 1_000_000 + (5e6 * busy) as u64;
        let (from, to) = (second * 1_000, (second + 1) * 1_000);
        fusion.reading(counted("rapl", package(0), to, total));
        let slices = [(1, 0, (busy * 1e9) as u64)];
        fusion.window(Arc::new(window(from * MILLI, to * MILLI, &slices)));
        let [found] = &drained(&mut fusion)[..] else { panic!("one window at once") };
        assert_eq!((found.provenance, found.activity.to.0), (Provenance::Measured, to * MILLI));
    }
    assert_eq!(fusion.meters().find_map(|meter| meter.lag), None);
}
