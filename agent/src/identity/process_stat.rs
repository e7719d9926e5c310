//! `/proc/PID/stat` (Documentation/filesystems/proc.rst, table 1-4).

use crate::activity::{Comm, Pid};
use crate::units::Nanoseconds;

/// `PF_KTHREAD`, include/linux/sched.h.
const PF_KTHREAD: u64 = 0x0020_0000;

/// What of a process's `stat` tells who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcessStat {
    /// Its command name.
    pub comm: Comm,
    /// The process that started it.
    pub parent: Pid,
    /// Whether it is a thread of the kernel.
    pub kernel_thread: bool,
    /// Whether all of its threads have ended: it waits for its parent only.
    pub dead: bool,
    /// When it was started, on the boot clock, to one clock tick.
    pub start: Nanoseconds,
}

impl ProcessStat {
    /// Reads the file's one line; `None` where that is cut. `tick` is the length of a clock tick
    /// (`sysconf(_SC_CLK_TCK)`). The command name may hold anything, also parentheses and spaces, so what follows it is
    /// counted from the last closing one.
    pub fn parse(text: &str, tick: Nanoseconds) -> Option<Self> {
        let (front, back) = text.rsplit_once(") ")?;
        let (_, comm) = front.split_once(" (")?;
        let fields: Vec<&str> = back.split_ascii_whitespace().collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        Some(Self {
            comm: Comm::new(comm),
            parent: Pid(u32::try_from(field(4)?).ok()?),
            kernel_thread: field(9)? & PF_KTHREAD != 0,
            // The state is the first thread's.
            dead: matches!(fields.first(), Some(&("Z" | "X"))) && field(20)? <= 1,
            start: Nanoseconds(field(22)?.checked_mul(tick.0)?),
        })
    }

    /// Whether a process started at `start` can be this one.
    pub fn started_at(&self, start: Nanoseconds, tick: Nanoseconds) -> bool {
        start.is_zero() || start.0.abs_diff(self.start.0) <= 2 * tick.0
    }
}

/// The length of a clock tick.
pub(super) fn clock_tick() -> Nanoseconds {
    Nanoseconds(Nanoseconds::SECOND.0 / rustix::param::clock_ticks_per_second().max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICK: Nanoseconds = Nanoseconds::from_millis(10);

    #[test]
    fn a_name_with_parentheses_does_not_shift_the_fields() {
        let text = "17805 (a) R (b) S 17796 17796 10637 0 -1 4194304 99 0 0 0 0 0 0 0 20 0 1 0 189854 3133440 383\n";
        let stat = ProcessStat::parse(text, TICK).unwrap();
        assert_eq!(stat.comm, Comm::new("a) R (b"));
        assert_eq!(stat.parent, Pid(17_796));
        assert!(!stat.kernel_thread);
        assert!(stat.started_at(Nanoseconds(1_898_540_000_000 + 9_000_000), TICK));
        assert!(!stat.started_at(Nanoseconds(1_898_640_000_000), TICK));
        assert!(stat.started_at(Nanoseconds::ZERO, TICK));
    }

    #[test]
    fn kernel_threads_are_told_by_their_flag() {
        let text = "2 (kthreadd) S 0 0 0 0 -1 2129984 0 0 0 0 0 0 0 0 20 0 1 0 1 0 0\n";
        assert!(ProcessStat::parse(text, TICK).unwrap().kernel_thread);
    }

    #[test]
    fn short_or_broken_lines_are_none() {
        for text in ["", "1 (init", "1 (init) S 0 0", "1 (init) S x y z"] {
            assert_eq!(ProcessStat::parse(text, TICK), None);
        }
    }
}
