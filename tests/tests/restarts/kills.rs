//! `kill -9` at random moments, under load, and another agent some time later.

use std::env;
use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context as _, Result};
use prony_tests::{
    Agent, AgentBuilder, BpfFs, DockerEngine, FakeRapl, Samples, Stolen, TestCgroup, assert_books, assert_nothing_fell,
    needs_agent, needs_bpf, needs_root, skip, wait_until,
};
use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};
use rustix::process::Signal;

use crate::moving::{Moving, STATIC};
use crate::{books, keeping, measured, start};

/// How many kills; `PRONY_KILLS` sets another number.
const KILLS: u32 = 5;
/// The longest that no agent is there, milliseconds; `PRONY_KILLS_PAUSE` sets another number.
const PAUSE: u64 = 1_500;
const PATIENCE: Duration = Duration::from_secs(30);
/// For how long nothing runs at first, so that static power can be learned.
const IDLE_FIRST: Duration = Duration::from_secs(4);

fn number(variable: &str, otherwise: u64) -> u64 {
    env::var(variable).ok().and_then(|number| number.parse().ok()).unwrap_or(otherwise)
}

#[test]
fn what_is_killed_at_any_moment_loses_nothing() {
    if let Some(reason) = needs_root().or_else(needs_bpf).or_else(needs_agent) {
        return skip("kills::what_is_killed_at_any_moment_loses_nothing", &reason);
    }
    kills().unwrap();
}

/// Who runs: two that never stop, one that starts something new all the time.
const LOADS: [(&str, &[&str]); 3] = [
    ("spin", &["spin", "1000"]),
    ("pingpong", &["pingpong", "1000"]),
    ("storm", &["storm", "100", "1000", "1", "brief-life"]),
];

fn energy_of(samples: &Samples, function: &str) -> Result<u64> {
    samples
        .millionths("prony_function_joules_total", &[("zone", "package"), ("function", function), ("part", "active")])
}

fn kills() -> Result<()> {
    let mut random = SmallRng::seed_from_u64(number("PRONY_KILLS_SEED", 7));
    let (kills, pause) = (number("PRONY_KILLS", KILLS.into()), number("PRONY_KILLS_PAUSE", PAUSE));
    let (state, bpffs) = (tempfile::tempdir()?, BpfFs::mount()?);
    let rapl = Arc::new(FakeRapl::new()?);
    let engine = DockerEngine::start()?;
    // What is learned of the power differs a little from agent to agent; here only the books are to be compared.
    let attribution = format!("[attribution]\nweights = 'common'\nstatic_power = {{ package-0 = {STATIC} }}\n");
    let config = engine.config() + &attribution;
    let pin = bpffs.path().join("prony");
    let agent = || -> AgentBuilder {
        let with_rapl = keeping(state.path()).arguments(rapl.arguments());
        with_rapl.arguments(["--pin".as_ref(), pin.as_os_str()]).config(&config)
    };
    let reference = Agent::builder().arguments(rapl.arguments()).config(&config).start()?;
    let mut running = agent().start()?;
    for agent in [&reference, &running] {
        let is_there = || {
            agent.samples().ok().filter(|samples| samples.matching("prony_zone_measured_joules_total", &[]).count() > 0)
        };
        wait_until(PATIENCE, is_there).context("no zone")?;
    }

    let stolen = Stolen::from_now()?;
    let groups = ["a", "b", "c"].map(|digit| TestCgroup::container(&digit.repeat(64)));
    let groups = groups.into_iter().collect::<Result<Vec<_>>>()?;
    for (digit, (function, _)) in ["a", "b", "c"].into_iter().zip(LOADS) {
        engine.add(&digit.repeat(64), function);
    }
    let moving = Moving::begin(Arc::clone(&rapl))?;
    sleep(IDLE_FIRST);
    let loads = groups.iter().zip(LOADS).map(|(group, (_, load))| start(group, load)).collect::<Result<Vec<_>>>()?;
    let mut before = Samples::default();
    for _ in 0..kills {
        sleep(Duration::from_millis(random.random_range(100..1_500)));
        before = books(&running)?;
        sleep(Duration::from_micros(random.random_range(0..200_000)));
        running.signal(Signal::KILL)?;
        drop(running);
        sleep(Duration::from_millis(random.random_range(0..=pause)));
        running = agent().start()?;
        let after = books(&running)?;
        assert_nothing_fell(&before, &after);
        assert_books(&running.samples()?)?;
        before = after;
    }
    drop(loads);
    let moved = moving.end()?;

    // Exactly what the counter has moved, not a microjoule more or less.
    let is_all = || books(&running).ok().filter(|samples| measured(samples).is_ok_and(|measured| measured >= moved));
    let all = wait_until(PATIENCE, is_all).with_context(|| format!("not all of {moved} µJ; {}", running.log()))?;
    assert_eq!(measured(&all)?, moved, "measured, and moved");
    assert_nothing_fell(&before, &all);
    sleep(Duration::from_secs(1));
    let (ours, others) = (running.samples()?, reference.samples()?);
    assert_books(&ours)?;
    assert_eq!(measured(&others)?, moved, "an agent that was not killed");

    for (group, (function, _)) in groups.iter().zip(LOADS) {
        let counted = ours.sum("prony_function_cpu_seconds_total", &[("function", function)]);
        let kernels = group.usage()?.as_secs_f64();
        let (energy, reference) = (energy_of(&ours, function)? as f64, energy_of(&others, function)? as f64);
        println!(
            "{function}: {:.3} J, without kills {:.3} J ({:+.3} %)",
            energy / 1e6,
            reference / 1e6,
            (energy / reference - 1.0) * 100.0
        );
        assert!((energy / reference - 1.0).abs() <= 0.01, "{function}: {energy} µJ, without kills {reference} µJ");
        stolen.agrees(function, counted, kernels, 0.01)?;
    }
    println!("{kills} kills; {:.6} J measured by both", moved as f64 / 1e6);
    running.stop()?;
    let links = bpffs.kept()?.into_iter().filter(|path| path.to_string_lossy().contains("links-"));
    let folders = links.filter(|path| path.is_dir()).count();
    assert_eq!(folders, 1, "programs of agents that are gone stay attached");
    Ok(())
}
