//! The time that the hypervisor takes.

use anyhow::{Context as _, Result, ensure};

/// What the hypervisor takes from all CPUs from a moment on. It lies inside the slices of whoever ran; `cpu.stat` and
/// `getrusage` leave it out.
pub struct Stolen {
    before: f64,
}

impl Stolen {
    /// # Errors
    /// If `/proc/stat` cannot be read.
    pub fn from_now() -> Result<Self> {
        Ok(Self { before: since_boot()? })
    }

    /// Seconds taken until now.
    ///
    /// # Errors
    /// If `/proc/stat` cannot be read.
    pub fn seconds(&self) -> Result<f64> {
        Ok(since_boot()? - self.before)
    }

    /// Whether `ours` seconds are the kernel's, within that part of them and what was stolen meanwhile.
    ///
    /// # Errors
    /// If they are not, with `what` they are of; if `/proc/stat` cannot be read.
    pub fn agrees(&self, what: &str, ours: f64, kernels: f64, tolerance: f64) -> Result<()> {
        let stolen = self.seconds()?;
        let off = ours / kernels - 1.0;
        println!("{what}: {ours:.4} s, the kernel's {kernels:.4} s, {:+.3} %, {stolen:.2} s stolen", off * 100.0);
        let allowed = -tolerance..=tolerance + stolen / kernels;
        ensure!(allowed.contains(&off), "{what}: {ours} s, the kernel's {kernels} s, {stolen} s stolen");
        Ok(())
    }
}

fn since_boot() -> Result<f64> {
    let stat = std::fs::read_to_string("/proc/stat")?;
    let ticks = stat.split_ascii_whitespace().nth(8).context("no steal in /proc/stat")?;
    Ok(ticks.parse::<f64>()? / rustix::param::clock_ticks_per_second() as f64)
}
