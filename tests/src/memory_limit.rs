//! A bound on the memory of a process.

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::{cgroup_mounts, wait_until};

/// What the files of a version of cgroups are called.
#[derive(Debug)]
struct Files {
    limit: &'static str,
    highest: &'static str,
    events: &'static str,
}

const FIRST: Files =
    Files { limit: "memory.limit_in_bytes", highest: "memory.max_usage_in_bytes", events: "memory.oom_control" };
const SECOND: Files = Files { limit: "memory.max", highest: "memory.peak", events: "memory.events" };

/// A cgroup of either version whose memory is bounded. It is removed when it is dropped; its processes have to be gone by then.
#[derive(Debug)]
pub struct MemoryLimit {
    folder: PathBuf,
    files: Files,
}

impl MemoryLimit {
    /// Makes one that allows for so many bytes; none where no hierarchy of cgroups counts memory.
    ///
    /// # Errors
    /// When this process may not make it.
    pub fn new(bytes: u64) -> Result<Option<Self>> {
        for mount in cgroup_mounts()? {
            let enabled = fs::read_to_string(mount.join("cgroup.subtree_control")).unwrap_or_default();
            let files = if mount.join(FIRST.limit).exists() {
                FIRST
            } else if enabled.split_whitespace().any(|controller| controller == "memory") {
                SECOND
            } else {
                continue;
            };
            let folder = mount.join(format!("prony-test-memory-{}", std::process::id()));
            fs::create_dir(&folder).with_context(|| format!("cannot make {}: run as root", folder.display()))?;
            let limited = Self { folder, files };
            fs::write(limited.folder.join(limited.files.limit), bytes.to_string())?;
            return Ok(Some(limited));
        }
        Ok(None)
    }

    /// A command line that moves itself here and becomes the one that is put behind it.
    pub fn launcher(&self) -> Vec<OsString> {
        let words = ["/bin/sh", "-c", r#"echo $$ > "$0" && exec "$@""#].map(OsString::from);
        words.into_iter().chain([self.folder.join("cgroup.procs").into()]).collect()
    }

    /// The most that was used, in bytes.
    ///
    /// # Errors
    /// When the kernel does not tell.
    pub fn highest(&self) -> Result<u64> {
        Ok(fs::read_to_string(self.folder.join(self.files.highest))?.trim().parse()?)
    }

    /// How many processes the kernel has killed because of the bound.
    ///
    /// # Errors
    /// When the kernel does not tell.
    pub fn kills(&self) -> Result<u64> {
        let events = fs::read_to_string(self.folder.join(self.files.events))?;
        let kills = events.lines().find_map(|line| line.strip_prefix("oom_kill ")).context("no oom_kill")?;
        Ok(kills.trim().parse()?)
    }
}

impl Drop for MemoryLimit {
    fn drop(&mut self) {
        if wait_until(Duration::from_secs(5), || fs::remove_dir(&self.folder).ok()).is_none() {
            eprintln!("cannot remove {}: remove it with rmdir", self.folder.display());
        }
    }
}
