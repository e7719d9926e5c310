//! Where the kernel does not count while no agent runs: what was used meanwhile is measured, and nobody is charged with it.

use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use prony_tests::{
    FakeRapl, Samples, TestCgroup, assert_books, assert_nothing_fell, needs_agent, needs_bpf, needs_root, skip,
    wait_until,
};
use rustix::process::Signal;

use crate::moving::Moving;
use crate::{books, keeping, measured, start};

const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn what_is_used_between_two_agents_is_measured_and_nobodys() {
    if let Some(reason) = needs_root().or_else(needs_bpf).or_else(needs_agent) {
        return skip("without_pins::what_is_used_between_two_agents_is_measured_and_nobodys", &reason);
    }
    between().unwrap();
}

fn part(samples: &Samples, part: &str) -> Result<u64> {
    samples.millionths("prony_zone_joules_total", &[("zone", "package"), ("part", part)])
}

fn between() -> Result<()> {
    let (state, rapl) = (tempfile::tempdir()?, Arc::new(FakeRapl::new()?));
    let agent = || keeping(state.path()).arguments(rapl.arguments()).start();
    let first = agent()?;
    let is_there = || first.samples().ok().filter(|samples| samples.sum("prony_windows_total", &[]) > 5.0);
    wait_until(PATIENCE, is_there).context("no windows")?;
    let moving = Moving::begin(Arc::clone(&rapl))?;
    let group = TestCgroup::new("gone")?;
    let name = group.name();
    let load = start(&group, &["spin", "1000"])?;
    let ran = |samples: &Samples| samples.sum("prony_cgroup_cpu_seconds_total", &[("cgroup", name.as_str())]);
    let has_run = || books(&first).ok().filter(|samples| ran(samples) > 1.0);
    let before = wait_until(PATIENCE, has_run).context("the load is not seen")?;
    first.signal(Signal::KILL)?;
    drop((first, load, group));
    sleep(Duration::from_secs(1));

    let second = agent()?;
    let after = books(&second)?;
    assert_nothing_fell(&before, &after);
    assert_books(&second.samples()?)?;
    ensure!(ran(&after) >= ran(&before), "the line of a cgroup that has gone: {} s, {} s", ran(&before), ran(&after));
    let moved = moving.end()?;
    let is_all = || books(&second).ok().filter(|samples| measured(samples).is_ok_and(|measured| measured >= moved));
    let all = wait_until(PATIENCE, is_all).with_context(|| format!("not all of {moved} µJ; {}", second.log()))?;
    assert_eq!(measured(&all)?, moved);
    let nobodys = part(&all, "unattributed")?;
    println!("{moved} µJ, {nobodys} of them used while no agent ran");
    ensure!(nobodys > 0, "what was used while nobody looked is charged to somebody");
    assert_books(&second.samples()?)?;
    second.stop()?;
    Ok(())
}
