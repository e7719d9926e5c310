//! Requests on sockets: what the programs keep of each, and what they tell the agent.

/// The longest beginning of a request's target that is passed on.
pub const TARGET_BYTES: usize = 32;

/// [`Request::flags`]: another thread than the one that read the request has answered it.
pub const REQUEST_HANDED_OVER: u32 = 1;

/// In the map `COUNTS`: requests whose beginning was seen.
pub const COUNT_BEGUN: u32 = 0;
/// In the map `COUNTS`: requests whose socket was closed before a response.
pub const COUNT_UNANSWERED: u32 = 1;
/// In the map `COUNTS`: requests for which there was no room in the map of running ones.
pub const COUNT_NO_ROOM: u32 = 2;
/// In the map `COUNTS`: finished requests that found the ring full.
pub const COUNT_LOST: u32 = 3;
/// How many counts there are.
pub const COUNTS: u32 = 4;

/// How many words of 64 bits the map `SERVERS` has. A power of two.
pub const SERVER_WORDS: u32 = 1024;

/// A request on a socket: the value in the map of running ones, and what goes through the ring when it has ended.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// When its first segment came, `CLOCK_MONOTONIC` nanoseconds.
    pub start_ns: u64,
    /// When the first segment of the response went; 0 before.
    pub response_ns: u64,
    /// When the last segment of the response went, as far as is known.
    pub end_ns: u64,
    /// CPU time of the threads that worked on it, nanoseconds.
    pub on_cpu_ns: u64,
    /// The cgroup of who read it; 0 before it was read.
    pub cgroup: u64,
    /// The thread group that read it; 0 before it was read.
    pub tgid: u32,
    /// The thread that read it; 0 before it was read.
    pub tid: u32,
    /// The TCP sequence number of its first segment, to know it when it comes again.
    pub request_sequence: u32,
    /// The TCP sequence number of the response's last segment.
    pub response_sequence: u32,
    /// `REQUEST_*`
    pub flags: u32,
    /// Always 0.
    pub padding: u32,
    /// What follows the method, cut; zeros behind the segment's end.
    pub target: [u8; TARGET_BYTES],
}

/// What is known of a thread of a process that reads requests. Between two *boundaries* (it reads a request, it sends a
/// part of a response) its CPU time gathers; the boundary says whose it is.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct ThreadState {
    /// The socket of the request that it is bound to; 0 for none.
    pub socket: u64,
    /// [`Request::start_ns`] of that request: sockets have many, one after the other.
    pub request_start_ns: u64,
    /// CPU time since the last boundary, of slices that have ended, nanoseconds.
    pub gathered_ns: u64,
    /// When the last boundary was.
    pub boundary_ns: u64,
    /// 1 where it has read the request that it is bound to, and not begun to answer it.
    pub open: u32,
    /// Always 0.
    pub padding: u32,
}

/// Who runs on a CPU, where it is a thread of a process that reads requests.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Running {
    /// Since when.
    pub since_ns: u64,
    /// The thread.
    pub tid: u32,
    /// Always 0.
    pub padding: u32,
}

const _: () = assert!(size_of::<Request>() == 64 + TARGET_BYTES);
