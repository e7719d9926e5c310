//! A thousand processes a second, each burning a millisecond.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use crate::measure::Measured;
use crate::table::Row;

const RATE: f64 = 1_000.0;
const MILLIS: &str = "1";
/// Longer than all that is measured in it.
const SECONDS: f64 = 90.0;
/// How long the storm blows before anything is measured.
const SETTLE: Duration = Duration::from_secs(10);
/// How long the kernel programs' run time is measured for.
const WITH_STATISTICS: Duration = Duration::from_secs(10);
const STATISTICS: &str = "/proc/sys/kernel/bpf_stats_enabled";

pub(crate) fn measure() -> Result<Vec<Row>> {
    let measured = Measured::start("100ms")?;
    let storm = Storm::begin()?;
    thread::sleep(SETTLE);
    let row = measured.cpu("1,000 process starts a second, windows of 100 ms")?.at_most(0.5);
    let programs = programs_percent(&measured)?;
    let samples = measured.agent.samples()?;
    let started = storm.end()?;
    Ok(vec![
        row,
        Row::new("starts that the machine managed", started / SECONDS, "a second"),
        Row::new("kernel programs meanwhile, in the context of others", programs, "% of a core")
            .remark("with what the kernel's statistics cost"),
        Row::new("events lost", samples.value("prony_events_lost_total", &[])?, "events"),
        Row::new("windows missed", samples.value("prony_windows_missed_total", &[])?, "windows"),
    ])
}

fn programs_percent(measured: &Measured) -> Result<f64> {
    let setting = fs::read_to_string(STATISTICS).context("no statistics of programs (kernel 5.1)")?;
    fs::write(STATISTICS, "1")?;
    let (began, before) = (Instant::now(), measured.programs_ns());
    thread::sleep(WITH_STATISTICS);
    let after = measured.programs_ns();
    fs::write(STATISTICS, setting.trim())?;
    Ok(100.0 * (after? - before?) / began.elapsed().as_nanos() as f64)
}

struct Storm(Child);

impl Storm {
    fn begin() -> Result<Self> {
        let load = std::env::current_exe()?.with_file_name("prony-load");
        let (rate, seconds) = (RATE.to_string(), SECONDS.to_string());
        let storm =
            Command::new(load).args(["storm", &rate, &seconds, MILLIS, "bench-storm"]).stdout(Stdio::piped()).spawn();
        Ok(Self(storm.context("starting the storm")?))
    }

    /// Waits until it is over; how many processes it has started.
    fn end(mut self) -> Result<f64> {
        let out = self.0.stdout.take().context("no output")?;
        let done: serde_json::Value = serde_json::from_reader(out).context("the storm has failed")?;
        ensure!(self.0.wait()?.success(), "the storm has failed");
        done["started"].as_f64().context("the storm does not say what it did")
    }
}

impl Drop for Storm {
    fn drop(&mut self) {
        // Failing means that it has ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
