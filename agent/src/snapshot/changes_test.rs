//! Pictures of changes: what a watcher has to be told, and nothing else.

use std::collections::HashMap;

use proptest::prelude::*;

use super::test_books::{LineKey, TestBooks, attribution, consumer, package, share};
use super::{EnergyLine, LineState, ProcessLine, Snapshot};
use crate::activity::{ConsumerId, Lifecycle};
use crate::config::LedgerConfig;
use crate::units::{Nanoseconds, Watts};

const CPU: u64 = 10_000_000;

fn books() -> TestBooks {
    TestBooks::new(&LedgerConfig::default())
}

fn process(snapshot: &Snapshot, consumer: ConsumerId) -> Option<&ProcessLine> {
    snapshot.processes.iter().find(|line| line.consumer == consumer)
}

#[test]
fn power_falls_to_nothing_when_a_process_rests_and_watchers_are_told() {
    let mut books = books();
    let (busy, resting) = (consumer(70, 7), consumer(70, 8));
    for _ in 0..20 {
        books.charged_window(100, &[(busy, CPU), (resting, CPU)], &[]);
    }
    let mut seen = books.picture();
    // 10 ms of CPU time are 100 mJ here, each 100 ms.
    assert!((process(&seen, resting).unwrap().energy[0].power.0 - 1.0).abs() < 1e-9);
    let mut told = None;
    for _ in 0..20 {
        books.charged_window(100, &[(busy, CPU)], &[]);
        let changes = books.changes(seen.generation);
        assert!(process(&changes, busy).is_some());
        told = process(&changes, resting).map(|line| line.energy[0].power).or(told);
        seen = changes;
    }
    assert_eq!(told, Some(Watts(0.0)));
    let whole = books.picture();
    assert_eq!(process(&whole, resting).unwrap().energy[0].power, Watts(0.0));
    assert!((whole.zones[0].active_power.0 - process(&whole, busy).unwrap().energy[0].power.0).abs() < 1e-9);
}

#[test]
fn only_what_changed_is_told_to_a_watcher() {
    let mut books = books();
    let (one, two) = (consumer(70, 7), consumer(71, 8));
    for _ in 0..40 {
        books.charged_window(100, &[(one, CPU)], &[]);
    }
    for _ in 0..40 {
        books.charged_window(100, &[(two, CPU)], &[]);
    }
    let seen = books.picture();
    books.charged_window(100, &[(two, CPU)], &[Lifecycle::Ended { consumer: one }]);
    let changes = books.changes(seen.generation);
    assert_eq!(changes.since, Some(seen.generation));
    assert_eq!(process(&changes, one).unwrap().state, LineState::Terminated);
    assert!(process(&changes, two).is_some());
    books.charged_window(100, &[(two, CPU)], &[]);
    let next = books.changes(changes.generation);
    assert!(process(&next, one).is_none());
    assert_eq!(next.cgroups.len(), 1);
}

fn energies(snapshot: &Snapshot) -> HashMap<LineKey, Vec<EnergyLine>> {
    let processes = snapshot.processes.iter().map(|line| (LineKey::Process(line.consumer), line.energy.clone()));
    let cgroups = snapshot.cgroups.iter().map(|line| (LineKey::Cgroup(line.id), line.energy.clone()));
    processes.chain(cgroups).collect()
}

/// One window: its length, and energy for some zones (several times for one where a slow meter catches up).
type Window = (u16, Vec<(u8, u16, Vec<u8>)>);

fn window() -> impl Strategy<Value = Window> {
    let charge = (0..3_u8, prop_oneof![Just(100_u16), Just(400), Just(2_500)], prop::collection::vec(0..6_u8, 0..3));
    (prop_oneof![8 => Just(100_u16), 1 => Just(12_000)], prop::collection::vec(charge, 0..4))
}

proptest! {
    /// Energy and power of every line, by a watcher who got one whole picture and then changes only.
    #[test]
    fn a_watcher_knows_what_a_whole_picture_would_show(
        windows in prop::collection::vec((window(), prop::bool::weighted(0.3)), 1..120),
    ) {
        let mut books = books();
        let everybody: Vec<_> = (0..6).map(|number| (consumer(70 + number / 2, 10 + number as u32), 1)).collect();
        let zones = |books: &TestBooks| {
            (0..3).map(|zone| attribution(package(zone), books.now, books.now, Vec::new())).collect::<Vec<_>>()
        };
        let all_zones = zones(&books);
        books.window(Nanoseconds::SECOND, &everybody, &[], &all_zones);
        let first = books.picture();
        let (mut known, mut seen) = (energies(&first), first.generation);
        for ((millis, charges), look) in windows {
            let energy: Vec<_> = charges
                .into_iter()
                .map(|(zone, covers, who)| {
                    let mut who = who;
                    who.sort_unstable();
                    who.dedup();
                    let shares = who.iter().map(|who| share(everybody[usize::from(*who)].0, 1_000, 0)).collect();
                    let from = books.now - Nanoseconds::from_millis(covers.into());
                    attribution(package(zone.into()), from, books.now, shares)
                })
                .collect();
            books.window(Nanoseconds::from_millis(millis.into()), &[], &[], &energy);
            if look {
                let changes = books.changes(seen);
                seen = changes.generation;
                known.extend(energies(&changes));
                prop_assert_eq!(&known, &energies(&books.picture()));
            }
        }
    }
}
