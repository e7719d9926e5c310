//! Who can use energy: a process in a cgroup.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::units::Nanoseconds;

/// A cgroup of the v2 hierarchy: the inode number of its directory, which is what `bpf_get_current_cgroup_id` returns
/// (kernel/bpf/helpers.c, `cgroup_id`). The root of the hierarchy is 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CgroupId(pub u64);

impl CgroupId {
    /// The root of the hierarchy (kernfs gives it inode 1).
    pub const ROOT: Self = Self(1);
}

/// A process (thread group) number in the initial pid namespace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Pid(pub u32);

impl fmt::Display for Pid {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

/// A consumer of CPU time: one process while it is in one cgroup. A process that moves is two consumers, a pid that
/// is used again is a new one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ConsumerId {
    /// The cgroup that the process is in.
    pub cgroup: CgroupId,
    /// The process; 0 for the lines that are no process (see [`ConsumerId::OVERFLOW`]).
    pub pid: Pid,
    /// When the process was started, on the kernel's boot clock; zero where the kernel could not tell (no BTF).
    pub start: Nanoseconds,
}

impl ConsumerId {
    /// The line that takes the time of processes for which the kernel side had no slot left.
    pub const OVERFLOW: Self = Self { cgroup: CgroupId(0), pid: Pid(0), start: Nanoseconds::ZERO };
}

/// A process's command name as the kernel keeps it: at most 15 bytes (`TASK_COMM_LEN`, include/linux/sched.h).
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Comm([u8; 16]);

impl Comm {
    /// From the kernel's bytes, which end at the first NUL.
    pub fn from_kernel(bytes: [u8; 16]) -> Self {
        let mut comm = [0; 16];
        for (to, from) in comm.iter_mut().zip(bytes.iter().take_while(|&&byte| byte != 0)) {
            *to = *from;
        }
        Self(comm)
    }

    /// From text, cut to 15 bytes.
    pub fn new(text: &str) -> Self {
        let mut bytes = [0; 16];
        let length = text.len().min(15);
        bytes[..length].copy_from_slice(&text.as_bytes()[..length]);
        Self(bytes)
    }

    /// As text; what is not UTF-8 is replaced.
    pub fn text(&self) -> Cow<'_, str> {
        let length = self.0.iter().position(|&byte| byte == 0).unwrap_or(16);
        String::from_utf8_lossy(&self.0[..length])
    }

    /// The same, with its own memory.
    pub fn to_text(self) -> String {
        self.text().into_owned()
    }
}

impl fmt::Debug for Comm {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text(), out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comm_ends_at_the_first_nul_and_forgets_what_lay_behind_it() {
        let raw = *b"sh\0ld-name-here\0";
        assert_eq!(Comm::from_kernel(raw), Comm::new("sh"));
        assert_eq!(Comm::from_kernel(raw).to_text(), "sh");
    }

    #[test]
    fn comm_is_cut_to_what_the_kernel_keeps() {
        assert_eq!(Comm::new("a-very-long-command").to_text(), "a-very-long-com");
    }
}
