//! An invocation as it was observed, whoever saw it.

use std::sync::Arc;

use crate::activity::{CgroupId, Pid};
use crate::clock::Timestamp;
use crate::units::Nanoseconds;

/// Who saw an invocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum By {
    /// The kernel: it was a process of its own.
    Process,
    /// The function or its platform, which reported it.
    Report,
    /// The kernel, on the function's sockets.
    Socket,
}

impl By {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Process, Self::Report, Self::Socket];

    /// The name in every output.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Process => "process",
            Self::Report => "report",
            Self::Socket => "socket",
        }
    }
}

/// Where an invocation ran, as far as its observer knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the container of this id.
    Container(Arc<str>),
    /// In the pod of this UID.
    Pod(Arc<str>),
    /// In a process of this cgroup.
    Process(CgroupId, Pid),
    /// In any container of the function of this name, in this namespace where that is told.
    Function {
        /// The function's name.
        name: Arc<str>,
        /// Its namespace.
        namespace: Option<Arc<str>>,
    },
}

/// One invocation that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observed {
    /// Its id, as its observer calls it.
    pub id: Arc<str>,
    /// Where it ran.
    pub place: Place,
    /// Who saw it.
    pub by: By,
    /// When it began.
    pub start: Timestamp,
    /// When it ended.
    pub end: Timestamp,
    /// CPU time that is known to be its own; where it is not, it is taken from what ran meanwhile.
    pub on_cpu: Option<Nanoseconds>,
}
