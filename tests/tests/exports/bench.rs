//! An agent with something to tell.

use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context as _, Result};
use prony_tests::{
    Agent, FakeRapl, Running, Samples, TestCgroup, Zone, needs_agent, needs_bpf, needs_root, wait_until,
};

pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// Microjoules every few milliseconds.
const STEP: u64 = 30_011;

/// Why there can be none here.
pub(crate) fn needs_bench() -> Option<String> {
    needs_root().or_else(needs_bpf).or_else(needs_agent)
}

/// An agent, RAPL counters that move, and a load in a cgroup of its own, whose command is `prony-load`.
pub(crate) struct Bench {
    pub(crate) agent: Agent,
    pub(crate) group: TestCgroup,
    moving: Option<Moving>,
    /// Where the counters are, for as long as the agent may read them.
    still: Option<(u64, FakeRapl)>,
    _load: Running,
}

impl Bench {
    /// All of it, for this many seconds.
    pub(crate) fn start(name: &str, seconds: &str) -> Result<Self> {
        Self::start_with(name, seconds, "")
    }

    /// The same with more of a configuration.
    pub(crate) fn start_with(name: &str, seconds: &str, config: &str) -> Result<Self> {
        let rapl = FakeRapl::new()?;
        let config =
            format!("{config}[attribution]\npolicy = 'proportional'\n[attribution.static_power]\npackage-0 = 2\n");
        let agent = Agent::builder().config(&config).arguments(rapl.arguments()).start()?;
        let group = TestCgroup::new(name)?;
        let mut spin = group.command(env!("CARGO_BIN_EXE_prony-load"));
        let load = Running::start(spin.args(["spin", seconds]).stdout(Stdio::null()))?;
        let mut bench = Self { agent, group, moving: None, still: None, _load: load };
        // What is counted before the agent's first reading is none of its books'.
        bench.until("the zones", |samples| samples.matching("kepler_node_cpu_joules_total", &[]).count() >= 3)?;
        bench.moving = Some(Moving::start(0, rapl));
        bench.until("energy", |samples| samples.sum("kepler_node_cpu_joules_total", &[]) > 0.0)?;
        Ok(bench)
    }

    /// The first scrape that is so.
    pub(crate) fn until(&self, what: &str, is_so: impl Fn(&Samples) -> bool) -> Result<Samples> {
        let found = wait_until(PATIENCE, || self.agent.samples().ok().filter(&is_so));
        found.with_context(|| format!("not within {} s: {what}; the log:\n{}", PATIENCE.as_secs(), self.agent.log()))
    }

    /// Stops the counters, and waits until all they showed is in the books: no energy changes from then on.
    pub(crate) fn stand_still(&mut self) -> Result<Samples> {
        let (steps, rapl) = self.moving.take().context("they stand still")?.stop()?;
        self.still = Some((steps, rapl));
        let all = steps * STEP;
        self.until("all energy is booked", |samples| {
            let package = [("zone", Zone::Package.label())];
            samples.millionths("prony_zone_measured_joules_total", &package).is_ok_and(|measured| measured == all)
        })
    }

    /// Lets the counters move on, after they have stood still.
    pub(crate) fn move_on(&mut self) -> Result<()> {
        let (steps, rapl) = self.still.take().context("they move")?;
        self.moving = Some(Moving::start(steps, rapl));
        Ok(())
    }
}

/// Counters that move.
struct Moving {
    stop: Arc<AtomicBool>,
    mover: JoinHandle<Result<(u64, FakeRapl)>>,
}

impl Moving {
    /// From where they are after this many steps.
    fn start(mut steps: u64, rapl: FakeRapl) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let mover = thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                steps += 1;
                for zone in Zone::ALL {
                    rapl.set(zone, steps * STEP % FakeRapl::RANGE)?;
                }
                thread::sleep(Duration::from_millis(5));
            }
            Ok((steps, rapl))
        });
        Self { stop, mover }
    }

    /// How often they moved, and where they are.
    fn stop(self) -> Result<(u64, FakeRapl)> {
        self.stop.store(true, Ordering::Relaxed);
        self.mover.join().expect("the counters move")
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        if let Some(moving) = self.moving.take() {
            // Its error has nobody left to interest.
            let _ = moving.stop();
        }
    }
}
