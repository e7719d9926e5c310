//! The machine's meters while the ladder is climbed.

use std::path::PathBuf;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use anyhow::Context as _;
use tokio::runtime::Handle;

use crate::activity::Topology;
use crate::cli::cpu_ticks::CpuTicks;
use crate::clock::Timestamp;
use crate::config::{EstimateConfig, SourceConfig};
use crate::confine::Confinement;
use crate::host::HostRoots;
use crate::pipeline::{Deliver, Sources};
use crate::source::Reading;
use crate::units::Nanoseconds;

use super::findings::Measured;
use super::ladder::Rung;
use super::power_log::PowerLogs;
use super::spinners::Spinners;

/// How often meters are read that do not speak of themselves.
const EVERY: Duration = Duration::from_millis(100);
/// How long slow meters are waited for in the end.
const PATIENCE: Nanoseconds = Nanoseconds(3 * Nanoseconds::SECOND.0);
/// How much later than it should the load ends by itself.
const GRACE: Duration = Duration::from_secs(5);

/// What measures, and what it has said.
pub(super) struct Meters {
    sources: Sources,
    arrived: mpsc::Receiver<Vec<Reading>>,
    /// The file that tells how busy the CPUs were.
    stat: PathBuf,
    pub(super) logs: PowerLogs,
}

impl Meters {
    /// Starts all that is configured and there, but no estimate.
    ///
    /// # Errors
    /// When there is none.
    pub(super) fn start(config: &SourceConfig, roots: &HostRoots, topology: &Topology) -> anyhow::Result<Self> {
        let (sender, arrived) = mpsc::channel();
        let deliver: Deliver = Arc::new(move |readings| {
            // Meters may outlive the calibration by a moment.
            let _ = sender.send(readings);
        });
        let estimate = EstimateConfig { enabled: Some(false), ..EstimateConfig::default() };
        let config = SourceConfig { estimate, ..config.clone() };
        let sources =
            Sources::start(&config, roots, topology, &Handle::current(), &deliver, &Confinement::none(), None);
        anyhow::ensure!(
            sources.any_measures(),
            "nothing measures power here, and what is estimated cannot be calibrated: run as root for RAPL, or connect a \
             meter ([[source.esp32]], [[source.meter]]); 'prony doctor' says what is missing"
        );
        Ok(Self { sources, arrived, stat: roots.procfs.join("stat"), logs: PowerLogs::default() })
    }

    /// Keeps so many CPUs busy for so long, and takes what meters say meanwhile. When this is dropped, the load ends.
    pub(super) async fn measure(&mut self, rung: Rung) -> anyhow::Result<Measured> {
        let length = Duration::from(rung.length);
        let _load =
            Spinners::start(rung.cpus, length + GRACE).context("no thread for the load: raise the limit of tasks")?;
        let begin = Timestamp::now();
        let (from, to) = (begin + rung.settling(), begin + rung.length);
        self.watch(from, |_| false).await;
        let before = self.ticks();
        self.watch(to, |_| false).await;
        let load = self.ticks().zip(before).and_then(|(now, before)| now.busy_since(before));
        Ok(Measured { cpus: rung.cpus, from, to, load })
    }

    fn ticks(&self) -> Option<CpuTicks> {
        CpuTicks::parse(&std::fs::read_to_string(&self.stat).ok()?)
    }

    /// Waits until all meters have said what was used until `at`, or have had enough time to.
    pub(super) async fn wait_for(&mut self, at: Timestamp) {
        self.watch(at + PATIENCE, |logs| logs.reach(at)).await;
    }

    async fn watch(&mut self, until: Timestamp, is_enough: impl Fn(&PowerLogs) -> bool) {
        loop {
            let now = Timestamp::now();
            let mut readings = Vec::new();
            self.sources.sample(now, &mut readings);
            readings.extend(self.arrived.try_iter().flatten());
            for reading in &readings {
                self.logs.take(reading);
            }
            if now >= until || is_enough(&self.logs) {
                return;
            }
            tokio::time::sleep(EVERY.min(until.since(now).into())).await;
        }
    }
}
