//! More consumers than there are slots for.

use std::time::Duration;

use anyhow::{Context as _, Result};
use prony_tests::{Agent, Samples, TestCgroup, assert_books, needs_agent, needs_bpf, needs_root, skip, wait_until};

use crate::{grpc, load};

const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn without_a_slot_time_goes_to_the_overflow_line_and_none_is_lost() {
    if let Some(reason) = needs_root().or_else(needs_bpf).or_else(needs_agent) {
        return skip("crowd::without_a_slot_time_goes_to_the_overflow_line_and_none_is_lost", &reason);
    }
    overflow().unwrap();
}

fn overflow() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let agent = Agent::builder().config("[activity]\nmax_consumers = 256\n").start()?;
    let group = TestCgroup::new("crowd")?;
    let crowd = load(&group, &["sleepers", "600", "6", "600", "20"])?;
    let overflowing = |samples: &Samples| samples.sum("prony_overflow_switches_total", &[]) > 0.0;
    wait_until(PATIENCE, || agent.samples().ok().filter(overflowing)).context("no overflow")?;

    let before = grpc::cpu_time(&runtime, agent.grpc_address())?;
    std::thread::sleep(Duration::from_secs(3));
    let after = grpc::cpu_time(&runtime, agent.grpc_address())?;
    let wall = after.at.saturating_sub(before.at).as_secs_f64() * f64::from(after.cpus);
    let counted = after.counted.saturating_sub(before.counted).as_secs_f64();
    println!("{counted} s counted in {wall} s of all CPUs");
    assert!((counted / wall - 1.0).abs() < 0.01, "{counted} s counted in {wall} s of all CPUs");

    let samples = agent.samples()?;
    assert_books(&samples)?;
    let line = [("comm", "?overflow")];
    assert!(samples.sum("prony_command_cpu_seconds_total", &line) > 0.0, "the overflow line is there");
    assert!(samples.sum("prony_slots_used", &[]) <= 256.0);
    let told = agent.log().lines().filter(|line| line.contains("raise activity.max_consumers")).count();
    assert_eq!(told, 1, "{}", agent.log());

    crowd.wait()?;
    let free = |samples: &Samples| samples.sum("prony_slots_used", &[]) < 200.0;
    let samples = wait_until(PATIENCE, || agent.samples().ok().filter(free)).context("slots are not given back")?;
    assert_books(&samples)?;
    assert!(agent.stop()?.status.success());
    Ok(())
}
