//! The cgroups that runtimes make for containers, in every hierarchy.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;

use crate::{cgroup_mounts, wait_until};

/// How long ended processes may take to leave a cgroup.
const REMOVAL_LIMIT: Duration = Duration::from_secs(5);

/// Remembers which cgroups were not there before a runtime was asked to make them, and removes these when it is dropped.
/// What a runtime leaves is mostly the parents of a container's own cgroup.
#[derive(Debug, Default)]
pub(super) struct MadeCgroups(Mutex<BTreeSet<PathBuf>>);

impl MadeCgroups {
    /// A runtime is about to make a cgroup of this path, with its parents. To be called before.
    ///
    /// # Errors
    /// When it cannot be told where the hierarchies are mounted.
    pub(super) fn expect(&self, path: &str) -> Result<()> {
        let mut made = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for mount in cgroup_mounts()? {
            let mut folder = mount;
            for segment in path.split('/').filter(|segment| !segment.is_empty()) {
                folder.push(segment);
                if !folder.exists() {
                    made.insert(folder.clone());
                }
            }
        }
        Ok(())
    }
}

impl Drop for MadeCgroups {
    fn drop(&mut self) {
        let made = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        // Children come after their parents in the order of paths.
        for folder in made.iter().rev() {
            let removed = wait_until(REMOVAL_LIMIT, || match fs::remove_dir(folder) {
                Err(error) if error.kind() != ErrorKind::NotFound => None,
                _ => Some(()),
            });
            if removed.is_none() {
                eprintln!("cannot remove {}: remove it with rmdir", folder.display());
            }
        }
    }
}
