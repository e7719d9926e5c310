//! Which function a container runs, and since when.

use smallvec::SmallVec;

use crate::clock::Timestamp;
use crate::units::Nanoseconds;

use super::FunctionId;

/// How many changes are remembered; those before them are forgotten.
const CHANGES: usize = 8;

/// What a container belongs to over time: a function, or for certain none. Empty while that is not known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Timeline(SmallVec<[(Timestamp, Option<FunctionId>); 1]>);

impl Timeline {
    /// From `at` on it belongs to this one. The first one told was it from the beginning: names come late. Returns
    /// whether that is news.
    pub fn tell(&mut self, at: Timestamp, function: Option<FunctionId>) -> bool {
        if self.0.last().is_some_and(|(_, known)| *known == function) {
            return false;
        }
        if self.0.len() == CHANGES {
            self.0.remove(0);
        }
        self.0.push((at, function));
        true
    }

    /// Whether anything was told.
    pub fn is_known(&self) -> bool {
        !self.0.is_empty()
    }

    /// What it belongs to now; outer `None` while that is not known.
    pub fn now(&self) -> Option<Option<FunctionId>> {
        self.0.last().map(|(_, function)| *function)
    }

    /// What it belonged to at an instant; outer `None` while that is not known.
    pub fn at(&self, instant: Timestamp) -> Option<Option<FunctionId>> {
        let began = self.0.iter().rev().find(|(from, _)| *from <= instant).or(self.0.first());
        began.map(|(_, function)| *function)
    }

    /// What it belonged to over a time, one after the other, and for how long; nothing while that is not known.
    pub fn over(&self, from: Timestamp, to: Timestamp) -> SmallVec<[(Option<FunctionId>, Nanoseconds); 1]> {
        let mut parts = SmallVec::new();
        for (index, &(began, function)) in self.0.iter().enumerate() {
            let began = if index == 0 { from } else { began.clamp(from, to) };
            let ended = self.0.get(index + 1).map_or(to, |(next, _)| (*next).clamp(from, to));
            let is_all_there_is = parts.is_empty() && index + 1 == self.0.len();
            if ended > began || is_all_there_is {
                parts.push((function, ended.since(began)));
            }
        }
        parts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Option<FunctionId> = Some(FunctionId(1));
    const B: Option<FunctionId> = Some(FunctionId(2));

    #[test]
    fn the_first_one_told_was_it_from_the_beginning() {
        let mut timeline = Timeline::default();
        assert_eq!((timeline.at(Timestamp(5)), timeline.over(Timestamp(1), Timestamp(5)).len()), (None, 0));
        assert!(timeline.tell(Timestamp(10), A) && !timeline.tell(Timestamp(11), A));
        assert!(timeline.tell(Timestamp(20), B));
        assert_eq!(timeline.at(Timestamp(3)), Some(A));
        assert_eq!(
            (timeline.at(Timestamp(19)), timeline.at(Timestamp(20)), timeline.now()),
            (Some(A), Some(B), Some(B))
        );
    }

    #[test]
    fn a_time_is_split_at_the_moment_of_change() {
        let mut timeline = Timeline::default();
        timeline.tell(Timestamp(10), None);
        timeline.tell(Timestamp(20), A);
        timeline.tell(Timestamp(25), B);
        let over = |from, to| timeline.over(Timestamp(from), Timestamp(to)).to_vec();
        assert_eq!(over(0, 20), [(None, Nanoseconds(20))]);
        assert_eq!(over(15, 30), [(None, Nanoseconds(5)), (A, Nanoseconds(5)), (B, Nanoseconds(5))]);
        assert_eq!(over(20, 24), [(A, Nanoseconds(4))]);
        assert_eq!(over(25, 40), [(B, Nanoseconds(15))]);
        assert_eq!(over(30, 30), [(B, Nanoseconds(0))]);
    }

    #[test]
    fn a_container_that_is_relabelled_all_the_time_does_not_grow() {
        let mut timeline = Timeline::default();
        for change in 0..1_000 {
            timeline.tell(Timestamp(change), Some(FunctionId(change as u32)));
        }
        assert_eq!(timeline.0.len(), CHANGES);
        assert_eq!(timeline.at(Timestamp(0)), Some(Some(FunctionId(992))));
    }
}
