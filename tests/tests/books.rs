//! Exact books on the running agent: counters that a test moves, a mixed load, and every scrape added up.

use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use prony_tests::{
    Agent, FakeRapl, Running, Samples, TestCgroup, Zone, assert_books, assert_nothing_fell, needs_agent, needs_bpf,
    needs_root, skip, wait_until,
};

const LOAD: &str = env!("CARGO_BIN_EXE_prony-load");
const SECONDS: &str = "4";
const WATCHED: Duration = Duration::from_secs(4);
/// How long the last window may take to be booked.
const PATIENCE: Duration = Duration::from_secs(10);

/// How a zone's counter begins and moves, in microjoules every few milliseconds. The package's and the core's wrap.
const MOVEMENTS: [(Zone, u64, u64); 4] = [
    (Zone::Package, FakeRapl::RANGE - 2_000_000, 40_961),
    (Zone::Core, FakeRapl::RANGE - 1, 25_003),
    (Zone::Uncore, 0, 1),
    (Zone::Dram, 77, 7_919),
];

#[test]
fn separate_books_are_exact() {
    books_are_exact("separate_books_are_exact", "separate", "10ms", "");
}

#[test]
fn equal_books_in_the_shortest_windows_are_exact() {
    books_are_exact("equal_books_in_the_shortest_windows_are_exact", "equal", "1ms", "");
}

#[test]
fn proportional_books_with_few_lines_are_exact() {
    let few = "[ledger]\nmax_processes = 8\nmax_commands = 4\nmax_cgroups = 1\nmax_ended = 2\nended_retention = '0s'\n";
    books_are_exact("proportional_books_with_few_lines_are_exact", "proportional", "10ms", few);
}

fn books_are_exact(test: &str, policy: &str, window: &str, ledger: &str) {
    if let Some(reason) = needs_root().or_else(needs_bpf).or_else(needs_agent) {
        return skip(test, &reason);
    }
    watch_books(policy, window, ledger).unwrap();
}

fn watch_books(policy: &str, window: &str, ledger: &str) -> Result<()> {
    let rapl = FakeRapl::new()?;
    for (zone, start, _) in MOVEMENTS {
        rapl.set(zone, start)?;
    }
    // One zone's static power is configured, the others' is learned.
    let config = format!("{ledger}[attribution]\npolicy = '{policy}'\n[attribution.static_power]\npackage-0 = 1.5\n");
    let agent = Agent::builder().config(&config).arguments(rapl.arguments()).arguments(["--window", window]).start()?;
    let zones = FakeRapl::zones()?;
    let all_read = wait_until(PATIENCE, || {
        let samples = agent.samples().ok()?;
        zones.iter().all(|zone| measured(&samples, *zone).is_some()).then_some(())
    });
    assert!(all_read.is_some(), "every zone has books");

    let group = TestCgroup::new("books")?;
    let _loads = mixed_load(&group)?;
    let stop = AtomicBool::new(false);
    let moved = thread::scope(|scope| -> Result<u64> {
        let mover = scope.spawn(|| keep_moving(&rapl, &stop));
        let stop_in_any_case = StopWhenDropped(&stop);
        let watched = watch(&agent);
        drop(stop_in_any_case);
        let steps = mover.join().expect("the counters move")?;
        watched.map(|()| steps)
    })?;

    for (zone, _, step) in MOVEMENTS.into_iter().filter(|(zone, ..)| zones.contains(zone)) {
        let all = moved * step;
        let counted = wait_until(PATIENCE, || measured(&agent.samples().ok()?, zone).filter(|counted| *counted >= all));
        assert_eq!(counted, Some(all), "zone {} has all that its counter moved, and no more", zone.label());
    }
    let last = agent.samples()?;
    assert_books(&last)?;
    let part = |part| last.millionths("prony_zone_joules_total", &[("zone", "package"), ("part", part)]);
    assert_eq!(part("idle_shared")? > 0, policy != "separate", "static energy is shared out as configured");
    assert!(part("active")? > 0);
    assert!(agent.stop()?.status.success());
    Ok(())
}

fn mixed_load(group: &TestCgroup) -> Result<Vec<Running>> {
    let loads: [&[&str]; 4] = [
        &["spin", SECONDS],
        &["pingpong", SECONDS],
        &["storm", "200", SECONDS, "1", "short"],
        &["sleepers", "20", SECONDS, "10", "5"],
    ];
    let start = |arguments: &[&str]| Running::start(group.command(LOAD).args(arguments).stdout(Stdio::null()));
    Ok(loads.into_iter().map(start).collect::<std::io::Result<_>>()?)
}

/// A failed assertion must not leave the counters moving: the test would wait for them.
struct StopWhenDropped<'a>(&'a AtomicBool);

impl Drop for StopWhenDropped<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Moves all counters every few milliseconds; how often.
fn keep_moving(rapl: &FakeRapl, stop: &AtomicBool) -> Result<u64> {
    let mut steps = 0;
    while !stop.load(Ordering::Relaxed) {
        steps += 1;
        for (zone, start, step) in MOVEMENTS {
            rapl.set(zone, (start + steps * step) % FakeRapl::RANGE)?;
        }
        thread::sleep(Duration::from_millis(3));
    }
    Ok(steps)
}

fn watch(agent: &Agent) -> Result<()> {
    let begun = Instant::now();
    let mut before = agent.samples()?;
    while begun.elapsed() < WATCHED {
        let samples = agent.samples()?;
        assert_books(&samples)?;
        assert_nothing_fell(&before, &samples);
        before = samples;
    }
    Ok(())
}

fn measured(samples: &Samples, zone: Zone) -> Option<u64> {
    samples.matching("prony_zone_measured_joules_total", &[("zone", zone.label())]).next()?;
    samples.millionths("prony_zone_measured_joules_total", &[("zone", zone.label())]).ok()
}
