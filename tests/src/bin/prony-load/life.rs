//! A life: some CPU time, then the end.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use rustix::time::{ClockId, clock_gettime};

/// Burns until the process has used this much CPU time in all.
pub(crate) fn run(cpu_time: Duration) {
    while used() < cpu_time {
        std::hint::spin_loop();
    }
}

/// Moves into the cgroup with this `cgroup.procs`, and burns this much there.
pub(crate) fn run_in(procs: &Path, cpu_time: Duration) -> Result<()> {
    // 0 is who writes.
    std::fs::write(procs, "0").with_context(|| format!("cannot move to {}", procs.display()))?;
    run(used() + cpu_time);
    Ok(())
}

fn used() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)).unwrap_or_default()
}
