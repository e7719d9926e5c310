//! The machine: its name, and where its own files are. Every reader takes its root from here, so that a fixture tree, a container's
//! host mount or a trace can stand in for the real machine.

use std::path::PathBuf;

/// The variable by which many `DaemonSet`s tell their pods the name of their node.
const NODE_VARIABLE: &str = "NODE_NAME";

/// This machine's name: what the variable `NODE_NAME` says, else the host name as the kernel has it.
pub fn machine_name() -> String {
    let told = std::env::var(NODE_VARIABLE).ok().filter(|name| !name.is_empty());
    told.unwrap_or_else(|| rustix::system::uname().nodename().to_string_lossy().into_owned())
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
