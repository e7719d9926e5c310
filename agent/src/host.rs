//! The machine: its name, and where its own files are. Every reader takes its root from here, so that a fixture tree, a container's
//! host mount or a trace can stand in for the real machine.

use std::path::PathBuf;

/// This machine's name, as the kernel has it.
pub fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// The roots of the kernel's file systems.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostRoots {
    /// Where sysfs is mounted (default `/sys`).
    pub sysfs: PathBuf,
    /// Where procfs is mounted (default `/proc`).
    pub procfs: PathBuf,
    /// Where the cgroup v2 hierarchy is mounted; `None` looks it up in `procfs/self/mountinfo`.
    pub cgroupfs: Option<PathBuf>,
}

impl Default for HostRoots {
    fn default() -> Self {
        Self { sysfs: "/sys".into(), procfs: "/proc".into(), cgroupfs: None }
    }
}
