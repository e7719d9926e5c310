//! An agent whose CPU time and memory are counted by the kernel.

use std::collections::BTreeMap;
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use prony_tests::{Agent, AgentBuilder, TestCgroup};

use crate::table::Row;

/// How often a figure is taken.
const ROUNDS: usize = 3;
/// How long each time.
const INTERVAL: Duration = Duration::from_secs(20);
/// How long the agent has to get to know who is there.
const SETTLE: Duration = Duration::from_secs(5);

/// A running agent in a cgroup of its own.
pub(crate) struct Measured {
    pub(crate) agent: Agent,
    group: TestCgroup,
}

impl Measured {
    /// Starts one with windows of this length and waits until it has settled.
    pub(crate) fn start(window: &str) -> Result<Self> {
        Self::start_as(Agent::builder().arguments(["--window", window]))
    }

    /// The same for one that is started otherwise.
    pub(crate) fn start_as(builder: AgentBuilder) -> Result<Self> {
        let agent = builder.start()?;
        let group = TestCgroup::new("bench-agent")?;
        group.add(agent.pid())?;
        thread::sleep(SETTLE);
        Ok(Self { agent, group })
    }

    /// Its CPU time as a percentage of one core, over several intervals.
    pub(crate) fn cpu(&self, what: &str) -> Result<Row> {
        let mut percent = Vec::new();
        let mut machine = Vec::new();
        for _ in 0..ROUNDS {
            let (began, before, busy) = (Instant::now(), self.group.usage()?, MachineTime::read()?);
            thread::sleep(INTERVAL);
            let used = self.group.usage()?.saturating_sub(before);
            percent.push(100.0 * used.as_secs_f64() / began.elapsed().as_secs_f64());
            machine.push(MachineTime::read()?.busy_since(busy));
        }
        let middle = median(&mut percent);
        Ok(Row::new(what, middle, "% of a core").remark(format!(
            "{:.3} to {:.3}; all CPUs {:.0} % busy",
            percent[0],
            percent[ROUNDS - 1],
            100.0 * median(&mut machine)
        )))
    }

    /// What is resident of it, with its kernel maps.
    pub(crate) fn memory(&self, what: &str) -> Result<Row> {
        let pid = self.agent.pid();
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let (resident, highest) = (kibibytes(&status, "VmRSS:"), kibibytes(&status, "VmHWM:"));
        // Pages of maps that are mapped into the process count as resident, and some are mapped twice.
        let mapped = resident_maps(&fs::read_to_string(format!("/proc/{pid}/smaps"))?);
        let process = resident.context("no VmRSS")? - mapped;
        let kernel = kernel_objects(pid, "memlock:")?.values().sum::<f64>() / 1024.0;
        Ok(Row::new(what, (process + kernel) / 1024.0, "MiB").remark(format!(
            "process {:.1}, kernel maps and programs {:.1}; at its highest the process had {:.1}",
            process / 1024.0,
            kernel / 1024.0,
            highest.unwrap_or(f64::NAN) / 1024.0
        )))
    }

    /// Run time of all its kernel programs so far, in nanoseconds, while the kernel keeps statistics.
    pub(crate) fn programs_ns(&self) -> Result<f64> {
        Ok(kernel_objects(self.agent.pid(), "run_time_ns:")?.values().sum())
    }
}

/// A field of each map and program that the process has open; those that it has open twice count once.
fn kernel_objects(pid: u32, field: &str) -> Result<BTreeMap<String, f64>> {
    let mut objects = BTreeMap::new();
    for descriptor in fs::read_dir(format!("/proc/{pid}/fdinfo"))?.flatten() {
        // It may have been closed meanwhile.
        let Ok(info) = fs::read_to_string(descriptor.path()) else { continue };
        let identity = info.lines().find(|line| line.starts_with("map_id:") || line.starts_with("prog_id:"));
        let value = info.lines().find_map(|line| line.strip_prefix(field)?.trim().parse().ok());
        if let (Some(identity), Some(value)) = (identity, value) {
            objects.insert(identity.to_owned(), value);
        }
    }
    Ok(objects)
}

fn kibibytes(text: &str, field: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(field)?.trim().strip_suffix(" kB")?.parse().ok())
}

/// Kibibytes that are resident of mapped kernel maps, from the format of `proc_pid_smaps(5)`.
fn resident_maps(smaps: &str) -> f64 {
    let mut of_map = false;
    let mut sum = 0.0;
    for line in smaps.lines() {
        if line.split(' ').next().is_some_and(|first| first.contains('-')) {
            of_map = line.ends_with("anon_inode:bpf-map");
        } else if of_map && let Some(resident) = kibibytes(line, "Rss:") {
            sum += resident;
        }
    }
    sum
}

/// The CPU time of the whole machine, in ticks.
#[derive(Clone, Copy)]
struct MachineTime {
    busy: f64,
    all: f64,
}

impl MachineTime {
    /// The first line of `proc_stat(5)`; idle and iowait are its fourth and fifth figure.
    fn read() -> Result<Self> {
        let stat = fs::read_to_string("/proc/stat")?;
        let line = stat.lines().next().context("/proc/stat is empty")?;
        let ticks: Vec<f64> = line.split_ascii_whitespace().skip(1).take(8).filter_map(|it| it.parse().ok()).collect();
        let all: f64 = ticks.iter().sum();
        Ok(Self { busy: all - ticks.iter().skip(3).take(2).sum::<f64>(), all })
    }

    fn busy_since(self, before: Self) -> f64 {
        (self.busy - before.busy) / (self.all - before.all).max(1.0)
    }
}

/// Sorts them, and returns the one in the middle.
pub(crate) fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
