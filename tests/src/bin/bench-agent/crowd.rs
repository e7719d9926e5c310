//! Many cgroups and processes, of which few do anything.

use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};
use prony_tests::{Agent, FakeRapl, TestCgroup, Zone};

use crate::measure::Measured;
use crate::table::Row;

const CGROUPS: usize = 1_000;
const PROCESSES: usize = 2_000;
const ACTIVE: usize = 50;
/// How often an active process wakes up.
const PERIOD_MS: &str = "20";
/// After this the processes end by themselves, whatever becomes of the benchmark.
const BOUND_SECONDS: &str = "600";

pub(crate) fn at_default_windows() -> Result<Vec<Row>> {
    let _crowd = Crowd::gather()?;
    let measured = Measured::start("100ms")?;
    Ok(vec![
        measured.cpu(&format!("{}, windows of 100 ms", described()))?.at_most(0.5),
        measured.memory("resident with these")?.at_most(40.0),
    ])
}

/// With meters to learn from: RAPL's zones, whose power moves as it likes.
pub(crate) fn that_is_learned() -> Result<Vec<Row>> {
    let _crowd = Crowd::gather()?;
    let rapl = FakeRapl::new()?;
    let learns = Agent::builder().arguments(rapl.arguments()).config("[attribution]\nweights = \"learned\"\n");
    let goes_on = AtomicBool::new(true);
    thread::scope(|scope| {
        let moves = scope.spawn(|| {
            let mut energy = 0;
            while goes_on.load(Ordering::Relaxed) {
                thread::sleep(Duration::from_millis(20));
                // 10 to 30 W.
                energy = (energy + 200_000 + energy % 400_001) % FakeRapl::RANGE;
                Zone::ALL.into_iter().try_for_each(|zone| rapl.set(zone, energy))?;
            }
            anyhow::Ok(())
        });
        let measured = Measured::start_as(learns).and_then(|measured| {
            Ok(vec![
                measured.cpu(&format!("{}, with RAPL and learned weights", described()))?.at_most(0.5),
                measured.memory("resident with these")?.at_most(40.0),
            ])
        });
        goes_on.store(false, Ordering::Relaxed);
        moves.join().map_err(|_| anyhow::anyhow!("the counters stood still"))??;
        measured
    })
}

pub(crate) fn at_short_windows() -> Result<Vec<Row>> {
    let _crowd = Crowd::gather()?;
    let measured = Measured::start("10ms")?;
    let row = measured.cpu(&format!("{}, windows of 10 ms", described()))?.at_most(3.0);
    let missed = measured.agent.samples()?.value("prony_windows_missed_total", &[])?;
    Ok(vec![row, Row::new("windows of 10 ms that were joined with the next", missed, "windows")])
}

fn described() -> String {
    format!("{CGROUPS} cgroups, {PROCESSES} processes, {ACTIVE} of them active")
}

/// The processes, and their cgroups. They end with this.
struct Crowd {
    processes: Vec<Child>,
    groups: Vec<TestCgroup>,
}

impl Crowd {
    fn gather() -> Result<Self> {
        let load = std::env::current_exe()?.with_file_name("prony-load");
        let groups: Vec<TestCgroup> = (0..CGROUPS).map(|_| TestCgroup::new("crowd")).collect::<Result<_>>()?;
        let mut crowd = Self { processes: Vec::with_capacity(PROCESSES), groups };
        for (index, group) in (0..PROCESSES).zip(crowd.groups.iter().cycle()) {
            let arguments: &[&str] =
                if index < ACTIVE { &["wake", BOUND_SECONDS, PERIOD_MS] } else { &["sleep", BOUND_SECONDS] };
            let process = Command::new(&load).args(arguments).stdin(Stdio::null()).spawn();
            let process = process.with_context(|| format!("starting process {index} of {PROCESSES}"))?;
            let placed = group.add(process.id());
            crowd.processes.push(process);
            placed?;
        }
        Ok(crowd)
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        // All at first, then all again: ending takes the kernel a while. Failing means that it has ended.
        for process in &mut self.processes {
            let _ = process.kill();
        }
        for process in &mut self.processes {
            let _ = process.wait();
        }
    }
}
