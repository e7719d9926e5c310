//! What travels through the ring. Every event begins with its kind.

/// [`ExecEvent`]
pub const EVENT_EXEC: u32 = 1;
/// [`ExitEvent`]
pub const EVENT_EXIT: u32 = 2;
/// [`CgroupEvent`]
pub const EVENT_CGROUP_MADE: u32 = 3;
/// [`CgroupEvent`]
pub const EVENT_CGROUP_REMOVED: u32 = 4;

/// The longest program path that is passed on, its NUL included.
pub const EXEC_PATH_BYTES: usize = 256;
/// The longest cgroup path that is passed on, its NUL included. Longer ones are looked up in the cgroup file system.
pub const CGROUP_PATH_BYTES: usize = 512;

/// A process runs another program.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct ExecEvent {
    /// [`EVENT_EXEC`]
    pub kind: u32,
    /// The thread group's id.
    pub tgid: u32,
    /// When, `CLOCK_MONOTONIC` nanoseconds.
    pub at_ns: u64,
    /// `start_boottime` of the thread group's leader, or 0.
    pub start: u64,
    /// The path as given to `execve`, NUL-terminated, cut where it is longer.
    pub path: [u8; EXEC_PATH_BYTES],
}

/// The last thread of a process ends.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct ExitEvent {
    /// [`EVENT_EXIT`]
    pub kind: u32,
    /// The thread group's id.
    pub tgid: u32,
    /// When, `CLOCK_MONOTONIC` nanoseconds.
    pub at_ns: u64,
    /// `start_boottime` of the thread group's leader, or 0.
    pub start: u64,
}

/// A cgroup of the v2 hierarchy is made or removed.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct CgroupEvent {
    /// [`EVENT_CGROUP_MADE`] or [`EVENT_CGROUP_REMOVED`]
    pub kind: u32,
    /// The length of the path with its NUL; negative where the path could not be read.
    pub path_length: i32,
    /// When, `CLOCK_MONOTONIC` nanoseconds.
    pub at_ns: u64,
    /// The cgroup's id.
    pub cgroup: u64,
    /// Its path, NUL-terminated, cut where it is longer.
    pub path: [u8; CGROUP_PATH_BYTES],
}

const _: () = {
    assert!(size_of::<ExecEvent>() == 24 + EXEC_PATH_BYTES);
    assert!(size_of::<ExitEvent>() == 24);
    assert!(size_of::<CgroupEvent>() == 24 + CGROUP_PATH_BYTES);
};
