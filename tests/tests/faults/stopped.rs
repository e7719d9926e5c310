//! An agent that does not run for some seconds, as when the machine or its container is suspended.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use prony_tests::{
    Agent, FakeRapl, Footprint, Samples, Stolen, TestCgroup, Zone, assert_books, assert_nothing_fell, needs_agent,
    needs_bpf, needs_root, skip, wait_until,
};
use rustix::process::Signal;

use crate::{counted, grpc, load};

const PATIENCE: Duration = Duration::from_secs(20);
/// What the counter moves while the agent stands still, and how often.
const STEP: u64 = 20_011;
const STEPS: u64 = 100;
/// How many windows of 100 ms pass meanwhile, at least.
const WINDOWS: f64 = 30.0;

#[test]
fn an_agent_that_stood_still_counts_the_windows_that_it_missed_and_loses_nothing() {
    if let Some(reason) = needs_root().or_else(needs_bpf).or_else(needs_agent) {
        const NAME: &str = "stopped::an_agent_that_stood_still_counts_the_windows_that_it_missed_and_loses_nothing";
        return skip(NAME, &reason);
    }
    stand_still().unwrap();
}

fn measured(samples: &Samples) -> Result<u64> {
    samples.millionths("prony_zone_measured_joules_total", &[("zone", Zone::Dram.label())])
}

fn stand_still() -> Result<()> {
    let rapl = FakeRapl::new()?;
    let agent = Agent::builder().arguments(rapl.arguments()).start()?;
    let begun = |samples: &Samples| samples.sum("prony_windows_total", &[]) > 10.0;
    let before = wait_until(PATIENCE, || agent.samples().ok().filter(begun)).context("no windows")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let all_before = grpc::cpu_time(&runtime, agent.grpc_address())?;
    let footprint = Footprint::of(agent.pid())?;

    let (group, stolen) = (TestCgroup::new("stopped")?, Stolen::from_now()?);
    agent.signal(Signal::STOP)?;
    let spinning = load(&group, &["spin", "2"])?;
    for step in 1..=STEPS {
        rapl.set(Zone::Dram, step * STEP)?;
        std::thread::sleep(Duration::from_millis(32));
    }
    spinning.wait()?;
    agent.signal(Signal::CONT)?;

    let all = STEPS * STEP;
    let is_all = |samples: &Samples| measured(samples).is_ok_and(|measured| measured >= all);
    let samples = wait_until(PATIENCE, || agent.samples().ok().filter(is_all)).context("energy is missing")?;
    assert_eq!(measured(&samples)?, all, "what the counter moved meanwhile");
    assert_books(&samples)?;
    assert_nothing_fell(&before, &samples);
    let missed = |samples: &Samples| samples.sum("prony_windows_missed_total", &[]);
    let windows = missed(&samples) - missed(&before);
    ensure!(windows >= WINDOWS, "{windows} windows are told to be missed");
    counted(&agent, &group, &stolen)?;

    let all_after = grpc::cpu_time(&runtime, agent.grpc_address())?;
    let wall = all_after.at.saturating_sub(all_before.at).as_secs_f64() * f64::from(all_after.cpus);
    let counted = all_after.counted.saturating_sub(all_before.counted).as_secs_f64();
    ensure!((counted / wall - 1.0).abs() < 0.01, "{counted} s counted in {wall} s of all CPUs");
    footprint.is_returned_to(agent.pid())?;
    assert!(agent.stop()?.status.success());
    Ok(())
}
