//! What happened to processes and cgroups between two windows.

use std::sync::Arc;

use crate::clock::Timestamp;
use crate::units::Nanoseconds;

use super::{CgroupId, Comm, ConsumerId, Pid};

/// Something that started, changed its name or ended. A lost one costs a name or some delay, never time or energy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lifecycle {
    /// A consumer got its first CPU time, or its command name changed.
    Named {
        /// The consumer.
        consumer: ConsumerId,
        /// The process that started it.
        parent: Pid,
        /// Its command name now.
        comm: Comm,
        /// Whether it is a thread of the kernel (`PF_KTHREAD`).
        kernel_thread: bool,
    },
    /// A process began to run another program.
    Exec {
        /// When.
        at: Timestamp,
        /// The process.
        pid: Pid,
        /// When the process was started, on the boot clock.
        start: Nanoseconds,
        /// The program's path as it was given to `execve`.
        path: Arc<str>,
    },
    /// The last thread of a process ended.
    Exit {
        /// When.
        at: Timestamp,
        /// The process.
        pid: Pid,
        /// When the process was started, on the boot clock.
        start: Nanoseconds,
    },
    /// A consumer has ended and all its CPU time has been handed out: nothing more comes from it.
    Ended {
        /// The consumer.
        consumer: ConsumerId,
    },
    /// A cgroup was made.
    CgroupMade {
        /// When.
        at: Timestamp,
        /// The cgroup.
        cgroup: CgroupId,
        /// Its path below the root of the hierarchy, beginning with `/`; empty where it could not be told.
        path: String,
    },
    /// A cgroup was removed.
    CgroupRemoved {
        /// When.
        at: Timestamp,
        /// The cgroup.
        cgroup: CgroupId,
    },
}
