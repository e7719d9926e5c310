//! Closure of CPU time on the real kernel: whatever runs, every nanosecond of every CPU is somebody's.

use std::env;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result};
use prony::activity::{ActivityWindow, CgroupId, Pid};
use prony::kernel::{Attachment, LoadOptions};
use prony::units::Nanoseconds;
use prony_tests::vm::EMULATED;
use prony_tests::{Accounting, Stolen, TestCgroup, needs_bpf, skip, wait_until};

const LOAD: &str = env!("CARGO_BIN_EXE_prony-load");

/// How far the CPU time of a group, and of all groups together, may be from `cpu.stat`'s.
const TOLERANCE: f64 = 0.005;
/// How long a mixed load is watched, in seconds.
const WATCHED: u64 = 10;

/// How far our figure may be from the kernel's. On an emulated processor more than the 0.1 ms that the kernel programs
/// take for lateness lie between the scheduler's look at its clock and the switch, and those are billed to who leaves.
fn tolerance() -> f64 {
    if env::var_os(EMULATED).is_some() { 0.05 } else { TOLERANCE }
}

fn share_missing(windows: &[ActivityWindow], cpus: usize) -> f64 {
    let counted: Nanoseconds = windows.iter().map(|window| window.busy(None) + window.idle.iter().copied().sum()).sum();
    let wall: Nanoseconds = windows.iter().map(ActivityWindow::length).sum();
    (counted.seconds() / (wall.seconds() * cpus as f64) - 1.0).abs()
}

fn cpu_time_of(windows: &[ActivityWindow], cgroup: CgroupId) -> f64 {
    windows
        .iter()
        .flat_map(|window| &window.slices)
        .filter(|slice| slice.consumer.cgroup == cgroup)
        .map(|slice| slice.cpu_time.seconds())
        .sum()
}

/// Our figure of a group is the kernel's; both of them.
fn group_agrees(windows: &[ActivityWindow], group: &TestCgroup, tolerance: f64, stolen: &Stolen) -> Result<(f64, f64)> {
    let (ours, kernels) = (cpu_time_of(windows, CgroupId(group.id()?)), group.usage()?.as_secs_f64());
    stolen.agrees(&group.name(), ours, kernels, tolerance)?;
    Ok((ours, kernels))
}

/// Runs a load in a group of its own from its first instruction on.
fn start(group: &TestCgroup, arguments: &[&str]) -> Result<Child> {
    group.command(LOAD).args(arguments).stdout(Stdio::null()).spawn().context("starting a load")
}

fn mixed_load_closes(test: &str, attachment: Attachment) -> Result<()> {
    if let Some(reason) = needs_bpf() {
        skip(test, &reason);
        return Ok(());
    }
    let length = (WATCHED - 3).to_string();
    let loads: [(&str, &[&str]); 3] = [
        ("spin", &["spin", &length]),
        ("pingpong", &["pingpong", &length]),
        ("storm", &["storm", "200", &length, "1", "brief-life"]),
    ];
    let groups = loads.iter().map(|(name, _)| TestCgroup::new(name)).collect::<Result<Vec<_>>>()?;
    let mut accounting = Accounting::start(attachment)?;
    let stolen = Stolen::from_now()?;
    let mut windows = accounting.watch(Duration::from_secs(1), Duration::from_millis(100));
    let mut running = groups.iter().zip(loads).map(|(group, load)| start(group, load.1)).collect::<Result<Vec<_>>>()?;
    windows.extend(accounting.watch(Duration::from_secs(WATCHED - 1), Duration::from_millis(100)));
    for load in &mut running {
        load.wait()?;
    }
    windows.push(accounting.close());

    let missing = share_missing(&windows, accounting.topology.cpus().len());
    println!("{}: {:.5} % of the CPUs' time is missing or there twice", attachment.label(), missing * 100.0);
    assert!(missing <= 0.001, "closure is off by {:.4} %", missing * 100.0);
    println!("{:?}", accounting.side.memory.counts());
    let (mut ours, mut kernels) = (0.0, 0.0);
    for group in &groups {
        let (billed, used) = group_agrees(&windows, group, tolerance(), &stolen)?;
        ours += billed;
        kernels += used;
    }
    stolen.agrees("all together", ours, kernels, tolerance())?;
    Ok(())
}

#[test]
fn mixed_load_closes_and_agrees_with_the_kernel() -> Result<()> {
    mixed_load_closes("mixed_load_closes_and_agrees_with_the_kernel", Attachment::TpBtf)
}

#[test]
fn the_raw_tracepoint_counts_the_same() -> Result<()> {
    mixed_load_closes("the_raw_tracepoint_counts_the_same", Attachment::RawTp)
}

/// In windows of 10 ms, a task that never yields is missing only where somebody else had the CPUs.
#[test]
fn a_task_that_never_yields_is_in_every_short_window() -> Result<()> {
    if let Some(reason) = needs_bpf() {
        skip("a_task_that_never_yields_is_in_every_short_window", &reason);
        return Ok(());
    }
    let mut accounting = Accounting::start(Attachment::TpBtf)?;
    let mut spinner = Command::new(LOAD).args(["spin", "3"]).spawn()?;
    sleep(Duration::from_millis(200));
    accounting.close();
    let windows = accounting.watch(Duration::from_secs(2), Duration::from_millis(10));
    spinner.wait()?;
    let pid = Pid(spinner.id());
    let cpus = accounting.topology.cpus().len() as u64;
    let mut seen = 0;
    for window in &windows {
        let spun: Nanoseconds =
            window.slices.iter().filter(|slice| slice.consumer.pid == pid).map(|slice| slice.cpu_time).sum();
        let idle: Nanoseconds = window.idle.iter().copied().sum();
        seen += usize::from(!spun.is_zero());
        assert!(
            !spun.is_zero() || idle.0 < window.length().0 * cpus / 2,
            "the spinner is missing from a window of {:?} with {idle:?} idle",
            window.length()
        );
    }
    println!("the spinner is in {seen} of {} windows", windows.len());
    assert!(seen > 0);
    Ok(())
}

/// A task that ran before the programs were attached, and never yields, is known at once.
#[test]
fn who_ran_before_the_agent_is_known_too() -> Result<()> {
    if let Some(reason) = needs_bpf() {
        skip("who_ran_before_the_agent_is_known_too", &reason);
        return Ok(());
    }
    let group = TestCgroup::new("early")?;
    let mut spinner = start(&group, &["spin", "4"])?;
    let runs = wait_until(Duration::from_secs(5), || group.usage().ok().filter(|usage| !usage.is_zero()));
    runs.context("the load does not run")?;
    let mut accounting = Accounting::start(Attachment::TpBtf)?;
    let before = group.usage()?.as_secs_f64();
    let windows = accounting.watch(Duration::from_secs(1), Duration::from_millis(50));
    let kernels = group.usage()?.as_secs_f64() - before;
    let ours = cpu_time_of(&windows, CgroupId(group.id()?));
    spinner.wait()?;
    println!("{ours:.4} s, cpu.stat {kernels:.4} s");
    // cpu.stat is brought up to date at the scheduler's tick, so a second of it is only good to some milliseconds.
    assert!((ours / kernels - 1.0).abs() < 0.05, "{ours} s against cpu.stat's {kernels} s");
    Ok(())
}

/// A process that is moved is billed to each cgroup for the time that it was in it.
#[test]
fn a_move_between_cgroups_splits_the_time() -> Result<()> {
    if let Some(reason) = needs_bpf() {
        skip("a_move_between_cgroups_splits_the_time", &reason);
        return Ok(());
    }
    let (first, second) = (TestCgroup::new("first")?, TestCgroup::new("second")?);
    let mut accounting = Accounting::start(Attachment::TpBtf)?;
    let stolen = Stolen::from_now()?;
    let mut load = start(&first, &["pingpong", "2"])?;
    let mut windows = accounting.watch(Duration::from_secs(1), Duration::from_millis(50));
    for process in first.processes()? {
        second.add(process)?;
    }
    windows.extend(accounting.watch(Duration::from_millis(1500), Duration::from_millis(50)));
    load.wait()?;
    windows.push(accounting.close());
    group_agrees(&windows, &first, 0.01, &stolen)?;
    group_agrees(&windows, &second, 0.01, &stolen)?;
    Ok(())
}

#[test]
fn slots_come_back_when_their_processes_have_ended() -> Result<()> {
    if let Some(reason) = needs_bpf() {
        skip("slots_come_back_when_their_processes_have_ended", &reason);
        return Ok(());
    }
    let group = TestCgroup::new("lives")?;
    // A second's lives and everybody else on the machine fit into the slots, all the lives do not.
    let mut accounting = Accounting::load(&LoadOptions { slots: 1_024, ..LoadOptions::default() })?;
    let storm = group.command(LOAD).args(["storm", "300", "8", "0.2", "one-life"]).stdout(Stdio::piped()).spawn()?;
    accounting.watch(Duration::from_secs(9), Duration::from_millis(100));
    let done: serde_json::Value = serde_json::from_slice(&storm.wait_with_output()?.stdout)?;
    if done["started"].as_f64().context("started")? <= 1_024.0 {
        skip("slots_come_back_when_their_processes_have_ended", "the machine is too slow to use up 1,024 slots in 8 s");
        return Ok(());
    }
    assert_eq!(accounting.side.memory.counts().overflows, 0, "{} slots are used", accounting.tracker.slots_used());
    Ok(())
}
