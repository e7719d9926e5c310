//! One build of the kernel object, and one download, at a time.

use std::fs::{self, File, TryLockError};

use anyhow::{Context as _, Result};

use crate::{process::say, workspace};

/// Held as long as it lives; the kernel gives it back when the process ends.
#[derive(Debug)]
pub struct ToolsLock {
    _file: File,
}

impl ToolsLock {
    /// Waits until no other process builds the kernel object or fetches tools in this workspace.
    ///
    /// # Errors
    /// When `target/tools` cannot be written.
    pub fn acquire() -> Result<Self> {
        let directory = workspace::tools();
        fs::create_dir_all(&directory)
            .with_context(|| format!("cannot create {}: make it writable for this user", directory.display()))?;
        let path = directory.join(".lock");
        let file = File::options().create(true).append(true).open(&path).with_context(|| {
            format!("cannot open {}: make it writable for this user (was it created by root?)", path.display())
        })?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                say("waiting for another build of the kernel object in this workspace");
                file.lock().with_context(|| format!("cannot lock {}", path.display()))?;
            }
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("cannot lock {}", path.display()));
            }
        }
        Ok(Self { _file: file })
    }
}
