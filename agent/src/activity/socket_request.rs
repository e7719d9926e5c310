//! Requests that were seen on sockets.

use crate::clock::Timestamp;
use crate::units::Nanoseconds;

use super::{CgroupId, Pid};

/// One HTTP/1.x request that a process was asked on a socket and has answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocketRequest {
    /// The cgroup of the process that read it.
    pub cgroup: CgroupId,
    /// That process; 0 where nobody was seen to read it (it came before the agent, or `io_uring` took it).
    pub pid: Pid,
    /// Its thread that read the request.
    pub tid: Pid,
    /// When the first segment of the request came.
    pub start: Timestamp,
    /// When the first segment of the response went.
    pub response: Timestamp,
    /// When the last segment of the response went.
    pub end: Timestamp,
    /// CPU time of the threads that worked on it. Of a request that was handed over it is the least: between the threads
    /// that read and answer there may have been others.
    pub on_cpu: Nanoseconds,
    /// Whether another thread has answered it than the one that read it.
    pub handed_over: bool,
    /// The first segment of the path with its slash, cut at 32 bytes; for people, of no fixed set and never a label.
    pub path: String,
}
