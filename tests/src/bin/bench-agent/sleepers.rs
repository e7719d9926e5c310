//! Ten thousand processes that hardly do anything.

use std::process::{Child, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};
use prony_tests::{Agent, TestCgroup, wait_until};
use rustix::process::{Pid, Signal, kill_process};

const PROCESSES: usize = 10_000;
/// Some of the lines may be taken by other processes of the machine that have ended and are not exported again.
const ENOUGH: usize = 9_900;
/// After this the processes end by themselves, whatever becomes of the benchmark.
const BOUND_SECONDS: &str = "300";
/// How long the processes may take to start.
const START_LIMIT: Duration = Duration::from_mins(3);

/// Waits until the agent shows them, and says how many processes it shows.
pub(crate) fn until_shown(agent: &Agent) -> Result<usize> {
    let count = || Some(agent.samples().ok()?.matching("kepler_process_cpu_seconds_total", &[]).count());
    let shown = wait_until(START_LIMIT, || {
        thread::sleep(Duration::from_secs(1));
        count().filter(|&count| count >= ENOUGH)
    });
    shown.with_context(|| format!("fewer than {ENOUGH} consumers after {} s", START_LIMIT.as_secs()))
}

/// The processes, in a cgroup of their own. They end with this.
pub(crate) struct Sleepers {
    parent: Child,
    group: TestCgroup,
}

impl Sleepers {
    pub(crate) fn begin() -> Result<Self> {
        let load = std::env::current_exe()?.with_file_name("prony-load");
        let group = TestCgroup::new("sleepers")?;
        let parent = group
            .command(&load.to_string_lossy())
            .args(["sleepers", &PROCESSES.to_string(), BOUND_SECONDS, "0", "1000"])
            .stdout(Stdio::null())
            .spawn();
        Ok(Self { parent: parent.context("starting the sleepers")?, group })
    }
}

impl Drop for Sleepers {
    fn drop(&mut self) {
        // Not the parent: it waits for them all, and ends with the last. Failing means that one has ended.
        for sleeper in self.group.processes().unwrap_or_default().into_iter().filter(|&pid| pid != self.parent.id()) {
            if let Some(sleeper) = i32::try_from(sleeper).ok().and_then(Pid::from_raw) {
                let _ = kill_process(sleeper, Signal::KILL);
            }
        }
        let _ = self.parent.wait();
    }
}
