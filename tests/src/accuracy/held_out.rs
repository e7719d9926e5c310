//! A run as files: its trace, and what each cgroup has really used. They come from the simulator, or from anybody else.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use prony::units::Volts;
use serde::{Deserialize, Serialize};

use super::run::Run;
use super::sensors::Meters;
use super::truth::BIN_SECONDS;

/// The truth of a trace, as its file has it (JSON).
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TruthFile {
    /// How long the bins are, seconds; the first begins with the trace's time 0.
    pub bin_s: f64,
    /// From when on errors count, seconds.
    pub counted_from_s: f64,
    /// Volts of the supply of an ESP32 meter.
    pub volts: f64,
    /// Whose energy it is; those of the last are not asked for.
    pub cgroups: Vec<String>,
    /// Joules in all packages, by bin and cgroup; empty where they are not known.
    #[serde(default)]
    pub packages_j: Vec<Vec<f64>>,
    /// The same of the whole machine.
    #[serde(default)]
    pub node_j: Vec<Vec<f64>>,
}

/// A run that methods are held against without knowing it.
#[derive(Clone, Debug)]
pub struct HeldOut {
    /// The trace.
    pub trace: String,
    /// The truth.
    pub truth: TruthFile,
}

impl HeldOut {
    /// What came of a scenario by these meters.
    pub fn of(run: &Run, meters: Meters, counted_from: f64) -> Self {
        let truth = TruthFile {
            bin_s: BIN_SECONDS,
            counted_from_s: counted_from,
            volts: run.volts,
            cgroups: run.cgroups().collect(),
            packages_j: run.truth.packages.clone(),
            node_j: run.truth.node.clone(),
        };
        Self { trace: run.trace(meters), truth }
    }

    /// Reads the two files.
    ///
    /// # Errors
    /// When they cannot be read or do not fit together.
    pub fn read(trace: &Path, truth: &Path) -> Result<Self> {
        let said = |path: &Path| format!("cannot read {}", path.display());
        let truth: TruthFile = serde_json::from_slice(&fs::read(truth).with_context(|| said(truth))?)
            .with_context(|| format!("{} is no truth", truth.display()))?;
        ensure!((truth.bin_s - BIN_SECONDS).abs() < 1e-9, "bins have to be {BIN_SECONDS} s long");
        let fits = |bins: &[Vec<f64>]| bins.iter().all(|bin| bin.len() == truth.cgroups.len());
        ensure!(fits(&truth.packages_j) && fits(&truth.node_j), "each bin needs a figure for each cgroup");
        Ok(Self { trace: fs::read_to_string(trace).with_context(|| said(trace))?, truth })
    }

    /// Writes them: `NAME.jsonl` and `NAME.truth.json` in a folder.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn write(&self, folder: &Path, name: &str) -> Result<()> {
        fs::create_dir_all(folder)?;
        fs::write(folder.join(format!("{name}.jsonl")), &self.trace)?;
        fs::write(folder.join(format!("{name}.truth.json")), serde_json::to_vec(&self.truth)?)?;
        Ok(())
    }

    /// Volts of the supply.
    pub fn volts(&self) -> Volts {
        Volts(self.truth.volts)
    }
}
