//! Several windows of activity joined into one longer one.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::activity::{ActivityWindow, ConsumerId, Counts, ShardId, Slice};
use crate::clock::Timestamp;
use crate::units::Nanoseconds;

/// Windows that follow each other, as one; `None` of none.
pub fn join(windows: &[ActivityWindow]) -> Option<ActivityWindow> {
    match windows {
        [] => None,
        [only] => Some(only.clone()),
        [first, others @ ..] => {
            let mut joined = JoinedWindow::new(first);
            for next in others {
                joined.add(next);
            }
            Some(joined.finish())
        }
    }
}

/// A window that grows. Its size follows the number of distinct consumers, not of windows.
#[derive(Debug)]
pub(super) struct JoinedWindow {
    sum: ActivityWindow,
    places: FxHashMap<(ConsumerId, ShardId), usize>,
}

impl JoinedWindow {
    /// Begins with one window.
    pub(super) fn new(first: &ActivityWindow) -> Self {
        let places =
            first.slices.iter().enumerate().map(|(place, slice)| ((slice.consumer, slice.shard), place)).collect();
        Self { sum: first.clone(), places }
    }

    /// Adds the window that follows.
    pub(super) fn add(&mut self, next: &ActivityWindow) {
        let Self { sum, places } = self;
        sum.to = next.to;
        sum.topology = Arc::clone(&next.topology);
        if sum.kinds != next.kinds {
            Arc::make_mut(&mut sum.kinds).extend(&next.kinds);
        }
        let counted = sum.has_counts() && next.has_counts();
        for (index, slice) in next.slices.iter().enumerate() {
            let place = *places.entry((slice.consumer, slice.shard)).or_insert_with(|| {
                sum.slices.push(Slice { cpu_time: Nanoseconds::ZERO, ..*slice });
                sum.slices.len() - 1
            });
            sum.slices[place].cpu_time += slice.cpu_time;
            if counted {
                sum.counts.resize(sum.slices.len(), Counts::default());
                sum.counts[place] += next.counts[index];
            }
        }
        if !counted {
            sum.counts.clear();
        }
        if sum.idle.len() < next.idle.len() {
            sum.idle.resize(next.idle.len(), Nanoseconds::ZERO);
        }
        for (total, idle) in sum.idle.iter_mut().zip(&next.idle) {
            *total += *idle;
        }
    }

    /// Where it begins.
    pub(super) fn from(&self) -> Timestamp {
        self.sum.from
    }

    /// How many slices it has.
    pub(super) fn slices(&self) -> usize {
        self.sum.slices.len()
    }

    /// The window, its slices in order.
    pub(super) fn finish(self) -> ActivityWindow {
        let Self { mut sum, places } = self;
        sum.slices.sort_unstable_by_key(|slice| (slice.consumer, slice.shard));
        if !sum.counts.is_empty() {
            sum.counts = sum.slices.iter().map(|slice| sum.counts[places[&(slice.consumer, slice.shard)]]).collect();
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{TWO_PACKAGES, window};
    use super::*;

    #[test]
    fn joined_windows_add_up_per_consumer_and_shard() {
        let mut joined = JoinedWindow::new(&window(0, 100, &[(2, 0, 30), (2, 1, 5), (1, 1, 10)]));
        joined.add(&window(100, 200, &[(2, 1, 5), (3, 0, 40)]));
        joined.add(&window(200, 300, &[(2, 0, 1)]));
        let sum = joined.finish();
        let expected = window(0, 300, &[(1, 1, 10), (2, 0, 31), (2, 1, 10), (3, 0, 40)]);
        assert_eq!(
            (sum.from, sum.to, &sum.slices, &sum.idle),
            (expected.from, expected.to, &expected.slices, &expected.idle)
        );
        assert_eq!(sum.topology.packages(), TWO_PACKAGES);
    }

    fn counted(from: u64, to: u64, slices: &[(u32, u16, u64)], cycles: &[u64]) -> ActivityWindow {
        let counts = cycles.iter().map(|&cycles| Counts { cycles, instructions: 2 * cycles }).collect();
        ActivityWindow { counts, ..window(from, to, slices) }
    }

    #[test]
    fn counts_are_added_to_those_of_the_same_consumer_and_shard() {
        let windows = [
            counted(0, 100, &[(2, 0, 30), (2, 1, 5)], &[300, 50]),
            counted(100, 200, &[], &[]),
            counted(200, 300, &[(1, 1, 10), (2, 1, 5)], &[100, 60]),
        ];
        let expected = counted(0, 300, &[(1, 1, 10), (2, 0, 30), (2, 1, 10)], &[100, 300, 110]);
        let sum = join(&windows).unwrap();
        assert_eq!((sum.slices, sum.counts), (expected.slices, expected.counts));
    }

    #[test]
    fn a_window_without_counts_leaves_none_to_the_sum() {
        let with = || counted(0, 100, &[(2, 0, 30)], &[300]);
        let without = || window(0, 100, &[(2, 0, 30)]);
        for windows in [[with(), without(), with()], [without(), with(), with()], [with(), with(), without()]] {
            assert_eq!(join(&windows).unwrap().counts, []);
        }
    }
}
