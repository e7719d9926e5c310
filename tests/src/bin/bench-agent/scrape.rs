//! A scrape of 10,000 consumers.

use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use prony_tests::{Samples, TestCgroup, get, wait_until};
use rustix::process::{Pid, Signal, kill_process};

use crate::measure::{Measured, median};
use crate::table::Row;

const PROCESSES: usize = 10_000;
/// Some of the lines may be taken by other processes of the machine that have ended and are not exported again.
const ENOUGH: usize = 9_900;
const SCRAPES: usize = 30;
/// After this the processes end by themselves, whatever becomes of the benchmark.
const BOUND_SECONDS: &str = "300";
/// How long the processes may take to start.
const START_LIMIT: Duration = Duration::from_mins(3);
/// Between two scrapes; not a multiple of the window, so that they come at all phases of it.
const PAUSE: Duration = Duration::from_millis(470);

pub(crate) fn measure() -> Result<Vec<Row>> {
    let measured = Measured::start("100ms")?;
    let _sleepers = Sleepers::begin()?;
    let count = || -> Result<usize> {
        let samples = measured.agent.samples()?;
        Ok(samples.matching("kepler_process_cpu_seconds_total", &[]).count())
    };
    let shown = wait_until(START_LIMIT, || {
        thread::sleep(Duration::from_secs(1));
        count().ok().filter(|&count| count >= ENOUGH)
    });
    let shown = shown.with_context(|| format!("fewer than {ENOUGH} consumers after {} s", START_LIMIT.as_secs()))?;

    let mut took = Vec::new();
    let mut rendered = Vec::new();
    let mut closed = Vec::new();
    let mut bytes = 0;
    let missed = || measured.agent.samples()?.value("prony_windows_missed_total", &[]);
    let missed_before = missed()?;
    for _ in 0..SCRAPES {
        thread::sleep(PAUSE);
        let began = Instant::now();
        let page = get(measured.agent.metrics_address(), "/metrics", &[])?;
        took.push(began.elapsed().as_secs_f64() * 1e3);
        bytes = page.body.len();
        let samples = Samples::parse(page.text()?)?;
        // Of the scrape before.
        rendered.push(samples.value("prony_scrape_render_seconds", &[])? * 1e3);
        closed.push(samples.value("prony_window_close_seconds", &[])? * 1e3);
    }
    let middle = median(&mut took);
    let all = format!("{:.1} to {:.1}; {bytes} bytes", took[0], took[SCRAPES - 1]);
    Ok(vec![
        Row::new(format!("a scrape of {shown} processes"), middle, "ms").at_most(50.0).remark(all),
        Row::new("of which writing the page", median(&mut rendered), "ms"),
        Row::new("windows missed while scraped", missed()? - missed_before, "windows").at_most(0.0),
        Row::new("longest time from a window's end to its being booked, within a second", median(&mut closed), "ms"),
        measured.memory("resident with 10,000 processes, after scrapes")?,
    ])
}

/// The processes, in a cgroup of their own. They end with this.
struct Sleepers {
    parent: Child,
    group: TestCgroup,
}

impl Sleepers {
    fn begin() -> Result<Self> {
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
