//! A process id that is used again at once.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use prony_tests::{
    Agent, Running, Samples, Stolen, TestCgroup, assert_books, needs_agent, needs_bpf, needs_root, skip, wait_until,
};

use crate::counted;

/// What the kernel gave out last (Documentation/admin-guide/sysctl/kernel.rst).
const LAST_PID: &str = "/proc/sys/kernel/ns_last_pid";
/// How often another process may get in between.
const ATTEMPTS: usize = 500;
const PATIENCE: Duration = Duration::from_secs(20);
/// Each program's name and CPU time in milliseconds.
const PROGRAMS: [(&str, f64); 2] = [("had-it-first", 200.0), ("has-it-again", 400.0)];

#[test]
fn who_gets_the_pid_of_another_gets_a_line_of_its_own() {
    const NAME: &str = "pids::who_gets_the_pid_of_another_gets_a_line_of_its_own";
    if let Some(reason) = needs_root().or_else(needs_bpf).or_else(needs_agent) {
        return skip(NAME, &reason);
    }
    let last = fs::read_to_string(LAST_PID).and_then(|last| fs::write(LAST_PID, last.trim()));
    if let Err(error) = last {
        return skip(NAME, &format!("{LAST_PID} cannot be written ({error}): needs CONFIG_CHECKPOINT_RESTORE=y"));
    }
    used_again().unwrap();
}

/// Starts a program that burns in the group.
fn start(program: &Path, millis: f64, group: &TestCgroup) -> Result<Running> {
    let mut command = Command::new(program);
    command.args(["life", &millis.to_string()]).arg(group.path().join("cgroup.procs")).stdout(Stdio::null());
    Ok(Running::start(&mut command)?)
}

/// The same, with this pid, which nobody has.
fn start_as(pid: u32, program: &Path, millis: f64, group: &TestCgroup) -> Result<Running> {
    for _ in 0..ATTEMPTS {
        fs::write(LAST_PID, (pid - 1).to_string())?;
        let started = start(program, millis, group)?;
        if started.pid() == pid {
            return Ok(started);
        }
    }
    anyhow::bail!("others always got the pid {pid}")
}

fn used_again() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let programs = PROGRAMS.map(|(name, _)| folder.path().join(name));
    for program in &programs {
        symlink(env!("CARGO_BIN_EXE_prony-load"), program)?;
    }
    let agent = Agent::builder().config("[ledger]\nmax_ended = 10000\n").start()?;
    let counting = |samples: &Samples| samples.sum("prony_slots_used", &[]) > 0.0;
    wait_until(PATIENCE, || agent.samples().ok().filter(counting)).context("no slots")?;

    let (group, stolen) = (TestCgroup::new("pids")?, Stolen::from_now()?);
    let first = start(&programs[0], PROGRAMS[0].1, &group)?;
    let pid = first.pid();
    ensure!(first.wait()?.success());
    ensure!(start_as(pid, &programs[1], PROGRAMS[1].1, &group)?.wait()?.success());

    let samples = counted(&agent, &group, &stolen)?;
    let pid = pid.to_string();
    for (name, millis) in PROGRAMS {
        let labels = [("pid", pid.as_str()), ("comm", name)];
        let line = samples.value("kepler_process_cpu_seconds_total", &labels);
        let line = line.with_context(|| format!("the log:\n{}", agent.log()))?;
        // What a program does before it moves into the group is not in its line there.
        stolen.agrees(name, line, millis / 1e3, 0.05)?;
    }
    assert_books(&samples)?;
    assert!(agent.stop()?.status.success());
    Ok(())
}
