//! Processes that have ended, for as long as they may still turn up.

use rustc_hash::FxHashSet;

use crate::units::Nanoseconds;

use super::Pid;

/// How many are remembered at least: at 1,000 process ends a second those of the last four seconds. Twice as many at most.
const REMEMBER: usize = 4_096;

/// The latest processes whose slots were given back. One that is slow to end (much memory to free, and a busy CPU) may
/// run once more, and no further exit event gives back the slot that it gets then.
#[derive(Debug, Default)]
pub(super) struct EndedProcesses {
    latest: FxHashSet<(Pid, Nanoseconds)>,
    before: FxHashSet<(Pid, Nanoseconds)>,
}

impl EndedProcesses {
    /// Takes in one. Where the kernel does not tell when it was started it is not remembered: its number may soon be
    /// another's.
    pub(super) fn insert(&mut self, pid: Pid, start: Nanoseconds) {
        if start.is_zero() {
            return;
        }
        if self.latest.len() >= REMEMBER {
            std::mem::swap(&mut self.latest, &mut self.before);
            self.latest.clear();
        }
        self.latest.insert((pid, start));
    }

    /// Whether this is one of them.
    pub(super) fn contains(&self, pid: Pid, start: Nanoseconds) -> bool {
        self.latest.contains(&(pid, start)) || self.before.contains(&(pid, start))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_are_remembered_and_numbers_alone_are_not() {
        let mut ended = EndedProcesses::default();
        ended.insert(Pid(1), Nanoseconds::ZERO);
        assert!(!ended.contains(Pid(1), Nanoseconds::ZERO));
        for start in 1..=5 * REMEMBER as u64 {
            ended.insert(Pid(1), Nanoseconds(start));
            let oldest = start.saturating_sub(REMEMBER as u64) + 1;
            assert!(ended.contains(Pid(1), Nanoseconds(oldest)) && ended.contains(Pid(1), Nanoseconds(start)));
        }
        assert!(!ended.contains(Pid(1), Nanoseconds(1)));
        assert!(ended.latest.len() + ended.before.len() <= 2 * REMEMBER);
    }
}
