//! The time that the hypervisor takes.

use anyhow::{Context as _, Result};

/// Seconds that the hypervisor has taken from all CPUs since boot. They lie inside the slices of whoever ran; `cpu.stat`
/// leaves them out.
///
/// # Errors
/// If `/proc/stat` cannot be read.
pub fn stolen() -> Result<f64> {
    let stat = std::fs::read_to_string("/proc/stat")?;
    let ticks = stat.split_ascii_whitespace().nth(8).context("no steal in /proc/stat")?;
    Ok(ticks.parse::<f64>()? / rustix::param::clock_ticks_per_second() as f64)
}
