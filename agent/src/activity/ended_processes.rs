//! Processes that have ended, for as long as they may still turn up.

use std::collections::VecDeque;

use rustc_hash::FxHashSet;

use crate::units::Nanoseconds;

use super::Pid;

/// How many are remembered: at 1,000 process ends a second those of the last 16 seconds.
const REMEMBER: usize = 16_384;

/// The latest processes whose slots were given back. One that is slow to end (much memory to free, and a busy CPU) may
/// run once more, and no further exit event gives back the slot that it gets then.
#[derive(Debug, Default)]
pub(super) struct EndedProcesses {
    oldest_first: VecDeque<(Pid, Nanoseconds)>,
    all: FxHashSet<(Pid, Nanoseconds)>,
}

impl EndedProcesses {
    /// Takes in one. Where the kernel does not tell when it was started it is not remembered: its number may soon be
    /// another's.
    pub(super) fn insert(&mut self, pid: Pid, start: Nanoseconds) {
        if start.is_zero() || !self.all.insert((pid, start)) {
            return;
        }
        self.oldest_first.push_back((pid, start));
        if self.oldest_first.len() > REMEMBER
            && let Some(oldest) = self.oldest_first.pop_front()
        {
            self.all.remove(&oldest);
        }
    }

    /// Whether this is one of them.
    pub(super) fn contains(&self, pid: Pid, start: Nanoseconds) -> bool {
        self.all.contains(&(pid, start))
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
        for start in 1..=REMEMBER as u64 + 1 {
            ended.insert(Pid(1), Nanoseconds(start));
        }
        assert!(!ended.contains(Pid(1), Nanoseconds(1)));
        assert!(ended.contains(Pid(1), Nanoseconds(2)));
        assert_eq!((ended.all.len(), ended.oldest_first.len()), (REMEMBER, REMEMBER));
    }
}
