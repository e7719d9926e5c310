//! What a process holds of the machine.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::wait_until;

/// Threads that have nothing to do stay for ten seconds.
const PATIENCE: Duration = Duration::from_secs(40);

/// What a process holds at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Footprint {
    /// Open file descriptors.
    pub descriptors: usize,
    /// Threads.
    pub threads: usize,
    /// Resident memory, in bytes.
    pub resident: u64,
}

impl Footprint {
    /// What this process holds now.
    ///
    /// # Errors
    /// When it has ended.
    pub fn of(pid: u32) -> Result<Self> {
        let entries = |folder: &str| Ok::<_, std::io::Error>(fs::read_dir(format!("/proc/{pid}/{folder}"))?.count());
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        Ok(Self {
            descriptors: entries("fd")?,
            threads: entries("task")?,
            resident: resident.trim().trim_end_matches(" kB").parse::<u64>()? << 10,
        })
    }

    /// Waits until the process has no more descriptors and threads than at this moment.
    ///
    /// # Errors
    /// When it keeps more for long.
    pub fn is_returned_to(self, pid: u32) -> Result<()> {
        let mut last = None;
        let returned = wait_until(PATIENCE, || {
            let now = Self::of(pid).ok()?;
            last = Some(now);
            (now.descriptors <= self.descriptors && now.threads <= self.threads).then_some(())
        });
        returned.with_context(|| format!("it had {self:?}, and now has {last:?}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_opened_is_seen_until_it_is_closed() {
        let own = std::process::id();
        // Other tests of this process come and go beside this one.
        let files: Vec<_> = (0..100).map(|_| fs::File::open("/proc/self/stat").unwrap()).collect();
        let with_files = Footprint::of(own).unwrap();
        assert!(with_files.descriptors > 100 && with_files.threads >= 1 && with_files.resident > 1 << 18);
        drop(files);
        with_files.is_returned_to(own).unwrap();
    }
}
