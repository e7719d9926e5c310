//! An invocation as it was observed, whoever saw it.

use std::sync::Arc;

use crate::activity::{CgroupId, Pid, SocketRequest};
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
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
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
    /// Whose clock its times are by, where nobody tells how far it is off.
    pub reporter: Option<Reporter>,
}

impl From<SocketRequest> for Observed {
    fn from(request: SocketRequest) -> Self {
        Self {
            id: format!("{} {}-{}", request.path, request.tid, request.start.0).into(),
            place: Place::Process(request.cgroup, request.pid),
            by: By::Socket,
            start: request.start,
            end: request.end,
            on_cpu: Some(request.on_cpu),
            reporter: None,
        }
    }
}

/// Who reports, to be known again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ReporterId(pub [u8; 32]);

/// A reporter that does not tell what time it is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reporter {
    /// Which.
    pub id: ReporterId,
    /// What was added to its times, nanoseconds.
    pub added: i64,
}

/// An invocation was taken in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// What has to be added to its reporter's times, nanoseconds, as far as what ran tells.
    pub offset: Option<i64>,
}
