//! A BPF file system of a test's own.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use rustix::mount::{UnmountFlags, unmount};
use tempfile::TempDir;

/// Mounted until it is dropped; what was kept in it ends then.
#[derive(Debug)]
pub struct BpfFs {
    folder: TempDir,
}

impl BpfFs {
    /// Mounts one.
    ///
    /// # Errors
    /// When this process may not mount.
    pub fn mount() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let mounted = Command::new("mount").args(["-t", "bpf", "bpf"]).arg(folder.path()).status();
        ensure!(mounted.context("mount")?.success(), "no BPF file system can be mounted: run as root");
        Ok(Self { folder })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// What is kept in it: maps, links and folders.
    ///
    /// # Errors
    /// When it cannot be listed.
    pub fn kept(&self) -> Result<Vec<PathBuf>> {
        let (mut found, mut folders) = (Vec::new(), vec![self.path().join("prony")]);
        while let Some(folder) = folders.pop() {
            for entry in folder.read_dir()? {
                let path = entry?.path();
                folders.extend(path.is_dir().then(|| path.clone()));
                found.push(path);
            }
        }
        Ok(found)
    }
}

impl Drop for BpfFs {
    fn drop(&mut self) {
        // Failing leaves a mount behind, which harms nobody.
        let _ = unmount(self.folder.path(), UnmountFlags::DETACH);
    }
}
