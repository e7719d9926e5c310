//! A quantity over time, as it was used piece by piece.

use std::collections::VecDeque;

use crate::clock::Timestamp;
use crate::units::Nanoseconds;

/// How far back it is kept.
const KEPT: Nanoseconds = Nanoseconds(180 * Nanoseconds::SECOND.0);

/// How much of something (energy, CPU time) there was up to each of a row of instants; between two it is taken to have come
/// evenly.
#[derive(Debug, Default)]
pub(super) struct Series {
    sums: VecDeque<(Timestamp, f64)>,
}

impl Series {
    /// Appends what there was between two instants. After a gap everything begins anew: it is not known what was in it.
    pub(super) fn push(&mut self, from: Timestamp, to: Timestamp, amount: f64) {
        let sum = match self.sums.back() {
            Some((end, sum)) if *end == from => *sum,
            _ => {
                self.sums.clear();
                self.sums.push_back((from, 0.0));
                0.0
            }
        };
        self.sums.push_back((to, sum + amount));
        while self.sums.front().is_some_and(|(begin, _)| to.since(*begin) > KEPT) {
            self.sums.pop_front();
        }
    }

    /// Up to where it is known.
    pub(super) fn end(&self) -> Option<Timestamp> {
        self.sums.back().map(|(end, _)| *end)
    }

    /// What there was between two instants; `None` where that is not known for all of the time.
    pub(super) fn amount(&self, from: Timestamp, to: Timestamp) -> Option<f64> {
        Some(self.sum_at(to)? - self.sum_at(from)?)
    }

    fn sum_at(&self, at: Timestamp) -> Option<f64> {
        let next = self.sums.partition_point(|(end, _)| *end < at);
        let (end, sum) = *self.sums.get(next)?;
        if end == at {
            return Some(sum);
        }
        let (begin, before) = *self.sums.get(next.checked_sub(1)?)?;
        Some(before + (sum - before) * (at.since(begin).0 as f64 / end.since(begin).0 as f64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_between_is_taken_evenly() {
        let mut series = Series::default();
        series.push(Timestamp(100), Timestamp(200), 10.0);
        series.push(Timestamp(200), Timestamp(300), 30.0);
        assert_eq!(series.amount(Timestamp(100), Timestamp(300)), Some(40.0));
        assert_eq!(series.amount(Timestamp(150), Timestamp(250)), Some(5.0 + 15.0));
        assert_eq!(series.amount(Timestamp(99), Timestamp(300)), None);
        assert_eq!(series.amount(Timestamp(100), Timestamp(301)), None);
        assert_eq!(series.end(), Some(Timestamp(300)));
    }

    #[test]
    fn what_was_in_a_gap_is_not_known() {
        let mut series = Series::default();
        series.push(Timestamp(100), Timestamp(200), 10.0);
        series.push(Timestamp(300), Timestamp(400), 30.0);
        assert_eq!(series.amount(Timestamp(150), Timestamp(350)), None);
        assert_eq!(series.amount(Timestamp(300), Timestamp(350)), Some(15.0));
    }

    #[test]
    fn what_is_long_ago_is_forgotten() {
        let mut series = Series::default();
        let second = |second: u64| Timestamp(second * Nanoseconds::SECOND.0);
        for at in 0..1_000 {
            series.push(second(at), second(at + 1), 1.0);
        }
        assert_eq!(series.sums.len() as u64, KEPT.0 / Nanoseconds::SECOND.0 + 1);
        assert_eq!(series.amount(second(900), second(1_000)), Some(100.0));
    }
}
