//! An agent that is kept from running while thousands of processes come and go: its ring is full, its books are not.

use std::time::Duration;

use anyhow::{Context as _, Result};
use prony_tests::{
    Agent, Samples, Stolen, TestCgroup, assert_books, needs_agent, needs_bpf, needs_root, skip, wait_until,
};
use rustix::process::Signal;

/// The command name of those who come and go.
const NAME: &str = "fills-the-ring";
const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn a_full_ring_loses_names_and_no_time() {
    if let Some(reason) = needs_root().or_else(needs_bpf).or_else(needs_agent) {
        return skip("storm::a_full_ring_loses_names_and_no_time", &reason);
    }
    storm().unwrap();
}

fn storm() -> Result<()> {
    let agent = Agent::builder().start()?;
    let counting = |samples: &Samples| samples.sum("prony_slots_used", &[]) > 0.0;
    wait_until(PATIENCE, || agent.samples().ok().filter(counting)).context("no slots")?;

    let group = TestCgroup::new("full-ring")?;
    let stolen = Stolen::from_now()?;
    agent.signal(Signal::STOP)?;
    let mut started = 0.0;
    // As many storms as a slow machine needs for more than the ring holds.
    while started < 5_000.0 {
        let output = group
            .command(env!("CARGO_BIN_EXE_prony-load"))
            .args(["storm", "2000", "2", "0.5", NAME])
            .output()
            .context("the storm")?;
        let told: serde_json::Value = serde_json::from_slice(&output.stdout)?;
        started += told["started"].as_f64().context("started")?;
    }
    agent.signal(Signal::CONT)?;

    let used = group.usage()?.as_secs_f64();
    let id = group.id()?.to_string();
    let counted = |samples: &Samples| samples.sum("prony_cgroup_cpu_seconds_total", &[("cgroup_id", &id)]);
    let samples = wait_until(PATIENCE, || agent.samples().ok().filter(|samples| counted(samples) >= used * 0.99));
    let samples = samples.with_context(|| format!("not all of {used} s was counted; the log:\n{}", agent.log()))?;
    stolen.agrees("the storm", counted(&samples), used, 0.01)?;
    assert_books(&samples)?;
    let lost = |samples: &Samples| samples.sum("prony_events_lost_total", &[]) > 0.0;
    wait_until(PATIENCE, || agent.samples().ok().filter(lost)).context("the ring was not full, or that is not told")?;
    let told = agent.log().lines().filter(|line| line.contains("kernel_events_lost")).count();
    assert_eq!(told, 1, "{}", agent.log());
    let named = samples.sum("prony_command_processes_total", &[("cgroup", &group.name()), ("comm", NAME)]);
    assert!(named > 0.0, "processes have their names from their slots");

    let running = |samples: &Samples| {
        let lines = samples.matching("kepler_process_cpu_joules_total", &[("comm", NAME), ("state", "running")]);
        lines.count()
    };
    let samples = wait_until(PATIENCE, || agent.samples().ok().filter(|samples| running(samples) == 0));
    let samples = samples.with_context(|| format!("their ends stay unnoticed; the log:\n{}", agent.log()))?;
    assert_books(&samples)?;
    assert!(counted(&samples) >= used * 0.99, "and what they counted stays");
    assert!(agent.stop()?.status.success());
    Ok(())
}
