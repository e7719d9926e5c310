//! Fusion and attribution together over random traces: what is attributed is what the counters moved.

use std::sync::Arc;

use proptest::prelude::*;

use crate::activity::ActivityWindow;
use crate::config::{Policy, StaticPower};
use crate::fuse::fixtures::{node, package, reading, window};
use crate::fuse::{Fusion, Limits};
use crate::source::{Counter, CounterRange, Measure, Reading, SourceId, Zone};
use crate::units::{Microjoules, Nanoseconds, Watts};

use super::{Attribution, attribute};

const MILLI: u64 = 1_000_000;
/// Above all that a trace can count between two readings that arrive.
const RANGE: u64 = 1 << 40;

#[derive(Clone, Copy, Debug)]
enum Fate {
    Arrives,
    Lost,
    Twice,
    Late,
    AfterReboot,
    AfterSilentReset,
}

/// What happens after how many milliseconds.
#[derive(Clone, Debug)]
enum Event {
    Window { millis: u64, gap: u64, slices: Vec<(u32, u16, u64)> },
    Reading { millis: u64, energy: u64, fate: Fate },
}

#[derive(Clone, Debug)]
enum Input {
    Window(ActivityWindow),
    Reading(Reading),
}

fn fates() -> impl Strategy<Value = Fate> {
    prop_oneof![
        10 => Just(Fate::Arrives),
        3 => Just(Fate::Lost),
        1 => Just(Fate::Twice),
        2 => Just(Fate::Late),
        1 => Just(Fate::AfterReboot),
        1 => Just(Fate::AfterSilentReset),
    ]
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let slice = (1_u32..12, 0_u16..2, 1_u64..100 * MILLI);
    let window = (1_u64..200, prop_oneof![9 => Just(0), 1 => 1_u64..500], prop::collection::vec(slice, 0..6)).prop_map(
        |(millis, gap, mut slices)| {
            slices.sort_unstable();
            slices.dedup_by_key(|&mut (pid, shard, _)| (pid, shard));
            Event::Window { millis, gap, slices }
        },
    );
    let energy = prop_oneof![Just(0), 1_u64..1000, 1_u64..RANGE / 1000];
    let reading =
        (0_u64..300, energy, fates()).prop_map(|(millis, energy, fate)| Event::Reading { millis, energy, fate });
    prop::collection::vec(prop_oneof![3 => window, 1 => reading], 1..300)
}

fn limits() -> impl Strategy<Value = Limits> {
    (1_usize..20, 1_u64..3000, 1_u64..20_000, 1_usize..30, 1_usize..5).prop_map(
        |(pending_windows, pending, joined, joined_slices, pending_readings)| Limits {
            pending_windows,
            pending_time: Nanoseconds::from_millis(pending),
            joined_time: Nanoseconds::from_millis(joined),
            joined_slices,
            pending_readings,
            silence: Nanoseconds::from_millis(pending),
            max_power: Watts(f64::INFINITY),
        },
    )
}

/// A meter of the node whose readings suffer their fates, and RAPL read at the end of each window.
fn play(events: &[Event], wraps: bool) -> Vec<Input> {
    let range = if wraps { CounterRange::WrapsAfter(Microjoules(RANGE)) } else { CounterRange::Unbounded };
    let (mut window_end, mut meter_at, mut total, mut epoch) = (50 * MILLI, 0, 7_u64, 0);
    let mut late = None;
    let mut inputs = Vec::new();
    for event in events {
        match event {
            Event::Window { millis, gap, slices } => {
                let from = window_end + gap * MILLI;
                window_end = from + millis * MILLI;
                let counter = Counter {
                    total: Microjoules(window_end / 3),
                    range: CounterRange::Unbounded,
                    epoch: 0,
                    outlives_agent: false,
                };
                inputs.push(Input::Reading(reading("rapl", package(1), window_end, Measure::Energy(counter))));
                inputs.push(Input::Window(window(from, window_end, slices)));
            }
            Event::Reading { millis, energy, fate } => {
                meter_at += 1 + millis * MILLI;
                match fate {
                    Fate::AfterReboot => (total, epoch) = (*energy, epoch + 1),
                    Fate::AfterSilentReset if !wraps => total = *energy,
                    _ => total += energy,
                }
                let shown = if wraps { total % RANGE } else { total };
                let counter = Counter { total: Microjoules(shown), range, epoch, outlives_agent: false };
                let reading = Input::Reading(reading("meter", node(), meter_at, Measure::Energy(counter)));
                match fate {
                    Fate::Lost => {}
                    Fate::Late => late = Some(reading),
                    Fate::Twice => inputs.extend([reading.clone(), reading]),
                    _ => inputs.push(reading),
                }
                if !matches!(fate, Fate::Late) {
                    inputs.extend(late.take());
                }
            }
        }
    }
    inputs
}

/// How far the node meter's counter moved, by the readings that arrived.
fn moved(inputs: &[Input]) -> u64 {
    let mut sum = 0;
    let mut before: Option<(u64, Counter)> = None;
    for input in inputs {
        let Input::Reading(Reading { zone, at, measure: Measure::Energy(now), .. }) = input else { continue };
        if *zone != node() || before.is_some_and(|(newest, _)| at.0 <= newest) {
            continue;
        }
        if let Some((_, before)) = before {
            sum += match now.range {
                _ if now.epoch != before.epoch => now.total.0,
                CounterRange::Unbounded => {
                    now.total.0.saturating_sub(before.total.0) * u64::from(now.total >= before.total)
                }
                CounterRange::WrapsAfter(range) => (now.total.0 + range.0 - before.total.0) % range.0,
            };
        }
        before = Some((at.0, *now));
    }
    sum
}

fn run(fusion: &mut Fusion, inputs: &[Input], policy: Policy) -> Vec<Attribution> {
    let mut windows = Vec::new();
    for input in inputs {
        match input {
            Input::Window(window) => fusion.window(Arc::new(window.clone())),
            Input::Reading(reading) => fusion.reading(reading.clone()),
        }
        fusion.drain(&mut windows);
    }
    for window in &windows {
        assert!(window.static_energy <= window.energy);
        assert!(window.uncertainty.0.is_finite() && window.uncertainty.0 >= 0.0);
    }
    windows.iter().map(|window| attribute(window, policy)).collect()
}

fn charged(attributions: &[Attribution], zone: &Zone) -> u64 {
    let of_zone = attributions.iter().filter(|books| books.zone == *zone);
    of_zone
        .map(|books| {
            let shares: u64 = books.shares.iter().map(|share| share.active.0 + share.idle.0).sum();
            shares + books.idle.0 + books.unattributed.0
        })
        .sum()
}

proptest! {
    #[test]
    fn what_is_attributed_is_what_the_counters_moved(
        events in events(),
        limits in limits(),
        wraps in any::<bool>(),
        policy in prop_oneof![Just(Policy::Separate), Just(Policy::Proportional), Just(Policy::Equal)],
        configured in prop::option::of(0.0_f64..1e5),
        learns in any::<bool>(),
    ) {
        let inputs = play(&events, wraps);
        let static_power: StaticPower = configured.map(|watts| ("node".to_owned(), Watts(watts))).into_iter().collect();
        let mut fusion = Fusion::new(&static_power, limits).hand_out_models(learns);
        let attributions = run(&mut fusion, &inputs, policy);
        for books in &attributions {
            prop_assert_eq!(books.books_error(), 0);
        }
        for books in fusion.books() {
            prop_assert_eq!(books.accepted, books.emitted + books.held);
            prop_assert_eq!(charged(&attributions, &books.zone), books.emitted.0);
            if books.zone == node() {
                prop_assert_eq!(books.accepted.0, moved(&inputs));
            }
        }
    }

    #[test]
    fn nothing_is_held_once_readings_and_windows_end_together(
        events in events(),
        limits in limits(),
        learns in any::<bool>(),
    ) {
        let mut inputs = play(&events, false);
        let end = 1_000_000 * MILLI;
        inputs.push(Input::Window(window(end, end + MILLI, &[(1, 0, MILLI)])));
        let last = Counter { total: Microjoules(RANGE * 1000), range: CounterRange::Unbounded, epoch: 0, outlives_agent: false };
        inputs.push(Input::Reading(reading("meter", node(), end + MILLI, Measure::Energy(last))));
        inputs.push(Input::Reading(reading("rapl", package(1), end + MILLI, Measure::Energy(last))));
        let mut fusion = Fusion::new(&StaticPower::new(), limits).hand_out_models(learns);
        let attributions = run(&mut fusion, &inputs, Policy::Separate);
        for books in fusion.books() {
            prop_assert_eq!(books.held, Microjoules::ZERO);
            prop_assert_eq!(charged(&attributions, &books.zone), books.accepted.0);
        }
    }

    #[test]
    fn two_sources_of_one_zone_are_never_both_booked(
        ticks in prop::collection::vec((1_u64..2000, 0_u64..RANGE / 1000, any::<bool>(), any::<bool>(), any::<bool>()), 2..100),
        limits in limits(),
    ) {
        let (mut inputs, mut at, mut total, mut shown) = (Vec::new(), 0, 0, Vec::new());
        for (millis, energy, first, second, swapped) in ticks {
            let from = at;
            (at, total) = (at + millis * MILLI, total + energy);
            let counter = Counter { total: Microjoules(total), range: CounterRange::Unbounded, epoch: 0, outlives_agent: false };
            let of = |source| Input::Reading(reading(source, node(), at, Measure::Energy(counter)));
            let mut readings: Vec<Input> =
                [(first, "first"), (second, "second")].into_iter().filter(|one| one.0).map(|one| of(one.1)).collect();
            shown.extend((!readings.is_empty()).then_some(total));
            if swapped {
                readings.reverse();
            }
            inputs.append(&mut readings);
            inputs.push(Input::Window(window(from, at, &[(1, 0, millis)])));
        }
        let mut fusion = Fusion::new(&StaticPower::new(), limits).prefer(vec![SourceId("first".into())]);
        let attributions = run(&mut fusion, &inputs, Policy::Equal);
        if let Some(books) = fusion.books().next() {
            prop_assert!(books.accepted.0 <= shown[shown.len() - 1] - shown[0]);
            prop_assert_eq!(books.accepted, books.emitted + books.held);
            prop_assert_eq!(charged(&attributions, &node()), books.emitted.0);
        }
    }

    #[test]
    fn a_trace_replays_bit_for_bit(events in events(), limits in limits()) {
        let inputs = play(&events, true);
        let replay = || {
            let mut fusion = Fusion::new(&StaticPower::new(), limits).hand_out_models(true);
            let attributions = run(&mut fusion, &inputs, Policy::Proportional);
            format!("{attributions:?}")
        };
        prop_assert_eq!(replay(), replay());
    }
}
