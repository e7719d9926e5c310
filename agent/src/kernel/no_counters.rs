//! Why there are no counters of cycles and instructions.

use std::io;

/// Why there are none. What is lost is the same: who worked how is told by CPU time alone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoCounters {
    /// The machine has none.
    #[error("this machine shows no counters of cycles and instructions")]
    NotThere,
    /// This process may not open them.
    #[error("counters of cycles and instructions may not be opened ({0})")]
    NotPermitted(String),
    /// No more files can be opened.
    #[error("there are no file descriptors left for counters of cycles and instructions ({0})")]
    NoDescriptors(String),
    /// The programs are attached in a way that does not go with them.
    #[error("the plain tracepoint is watched, and counts nothing but time")]
    PlainTracepoint,
    /// Something else.
    #[error("counters of cycles and instructions cannot be used: {0}")]
    Other(String),
}

impl NoCounters {
    /// From the kernel's answer to `perf_event_open`.
    pub(super) fn of_opening(error: &io::Error) -> Self {
        match error.raw_os_error() {
            Some(libc::EACCES | libc::EPERM) => Self::NotPermitted(error.to_string()),
            Some(libc::EMFILE | libc::ENFILE) => Self::NoDescriptors(error.to_string()),
            Some(libc::ENOENT | libc::ENODEV | libc::EOPNOTSUPP | libc::ENOSYS) => Self::NotThere,
            _ => Self::Other(error.to_string()),
        }
    }

    /// How to get them.
    pub fn fix(&self) -> &'static str {
        match self {
            Self::NotThere => {
                "a virtual machine has them if its host passes a PMU on (QEMU: -cpu host,pmu=on); else set \
                 activity.counters = \"off\""
            }
            Self::NotPermitted(_) => {
                "grant CAP_PERFMON, and let the container's seccomp profile allow perf_event_open(); or set \
                 activity.counters = \"off\""
            }
            Self::NoDescriptors(_) => "raise the limit (LimitNOFILE= in the systemd unit, ulimit -n): two for each CPU",
            Self::PlainTracepoint => "use a kernel with CONFIG_DEBUG_INFO_BTF=y, or name a file of it in activity.btf",
            Self::Other(_) => "set activity.counters = \"off\", and please report it, with what uname -a says",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_names_its_fix() {
        for (errno, said) in [
            (libc::EACCES, "CAP_PERFMON"),
            (libc::EMFILE, "LimitNOFILE"),
            (libc::ENOENT, "pmu=on"),
            (libc::EINVAL, "uname -a"),
        ] {
            let reason = NoCounters::of_opening(&io::Error::from_raw_os_error(errno));
            assert!(reason.fix().contains(said), "{reason}: {}", reason.fix());
        }
    }
}
