//! The agent under bad input and on machines that give it less than it would like: it says what is wrong and what to do,
//! goes on with what it has, and keeps its books exact.

mod cgroups;
mod configuration;
mod crowd;
mod descriptors;
mod grpc;
mod hotplug;
mod kernel;
mod memory;
mod meters;
mod names;
mod pids;
mod rapl;
mod reboots;
mod scrapes;
mod signals;
mod stopped;
mod storm;
mod subscribers;

use std::io;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};
use prony_tests::{Agent, Running, Samples, Stolen, TestCgroup, wait_until};

/// How long a slow machine's agent may take to count what has run.
const COUNTED_WITHIN: Duration = Duration::from_secs(20);

/// Starts a bounded load in a cgroup.
fn load(group: &TestCgroup, arguments: &[&str]) -> io::Result<Running> {
    Running::start(group.command(env!("CARGO_BIN_EXE_prony-load")).args(arguments).stdout(Stdio::null()))
}

/// A scrape that has all that has run in a group, which is held against the kernel's own count.
fn counted(agent: &Agent, group: &TestCgroup, stolen: &Stolen) -> Result<Samples> {
    let (used, id) = (group.usage()?.as_secs_f64(), group.id()?.to_string());
    let counted = |samples: &Samples| samples.sum("prony_cgroup_cpu_seconds_total", &[("cgroup_id", &id)]);
    let most = |samples: &Samples| counted(samples) >= used * 0.99;
    wait_until(COUNTED_WITHIN, || agent.samples().ok().filter(most))
        .with_context(|| format!("not all of {used} s was counted; the log:\n{}", agent.log()))?;
    // The last of it may be in the next window.
    thread::sleep(Duration::from_millis(300));
    let samples = agent.samples()?;
    stolen.agrees("the group", counted(&samples), used, 0.01)?;
    Ok(samples)
}
