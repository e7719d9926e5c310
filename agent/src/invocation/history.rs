//! What ran in containers in the last seconds, tick by tick.

use std::collections::VecDeque;

use crate::activity::{ActivityWindow, ConsumerId};
use crate::clock::Timestamp;
use crate::units::Nanoseconds;

use super::alignment::Ran;

/// How many figures are kept at most: 16 MiB. With more, the oldest ticks are forgotten earlier.
const MOST_FIGURES: usize = 500_000;

/// CPU time between two instants.
#[derive(Clone, Debug)]
pub(super) struct Tick {
    pub(super) from: Timestamp,
    pub(super) to: Timestamp,
    /// In the order of the consumers, each at most once.
    cpu_times: Vec<(ConsumerId, Nanoseconds)>,
}

impl Tick {
    /// CPU time of a consumer.
    pub(super) fn cpu_time(&self, consumer: &ConsumerId) -> Nanoseconds {
        let found = self.cpu_times.binary_search_by_key(consumer, |(consumer, _)| *consumer);
        found.map_or(Nanoseconds::ZERO, |place| self.cpu_times[place].1)
    }

    /// The tick's length.
    pub(super) fn length(&self) -> Nanoseconds {
        self.to.since(self.from)
    }
}

/// The ticks of the last seconds, the oldest first and without gaps.
#[derive(Debug)]
pub(super) struct History {
    ticks: VecDeque<Tick>,
    depth: Nanoseconds,
    figures: usize,
}

impl History {
    pub(super) fn new(depth: Nanoseconds) -> Self {
        Self { ticks: VecDeque::new(), depth, figures: 0 }
    }

    /// Adds the tick that follows, of those consumers that are `wanted`.
    pub(super) fn add(&mut self, window: &ActivityWindow, wanted: impl Fn(&ConsumerId) -> bool) {
        let same_consumer = window.slices.chunk_by(|left, right| left.consumer == right.consumer);
        let mut cpu_times: Vec<(ConsumerId, Nanoseconds)> = same_consumer
            .filter(|slices| wanted(&slices[0].consumer))
            .map(|slices| (slices[0].consumer, slices.iter().map(|slice| slice.cpu_time).sum()))
            .collect();
        cpu_times.sort_unstable_by_key(|(consumer, _)| *consumer);
        self.figures += cpu_times.len();
        self.ticks.push_back(Tick { from: window.from, to: window.to, cpu_times });
        while let Some(oldest) = self.ticks.front()
            && (window.to.since(oldest.to) > self.depth || self.figures > MOST_FIGURES)
        {
            self.figures -= oldest.cpu_times.len();
            self.ticks.pop_front();
        }
    }

    /// Where it begins; `None` while nothing is in it.
    pub(super) fn begin(&self) -> Option<Timestamp> {
        self.ticks.front().map(|tick| tick.from)
    }

    /// Where it ends.
    pub(super) fn end(&self) -> Option<Timestamp> {
        self.ticks.back().map(|tick| tick.to)
    }

    /// How long ticks are, in the mean; zero without any.
    pub(super) fn resolution(&self) -> Nanoseconds {
        let (Some(first), Some(last)) = (self.ticks.front(), self.ticks.back()) else { return Nanoseconds::ZERO };
        Nanoseconds(last.to.since(first.from).0 / self.ticks.len() as u64)
    }

    /// CPU time of some consumers in the ticks that lie in a time, wholly or in part.
    pub(super) fn activity(&self, consumers: &[ConsumerId], from: Timestamp, to: Timestamp) -> Vec<Ran> {
        let ran = |tick: &Tick| Ran {
            from: tick.from.0.cast_signed(),
            to: tick.to.0.cast_signed(),
            cpu_time: consumers.iter().map(|consumer| tick.cpu_time(consumer)).sum::<Nanoseconds>().0 as f64,
        };
        self.within(from, to).map(ran).collect()
    }

    /// The ticks that lie in a time, wholly or in part.
    pub(super) fn within(&self, from: Timestamp, to: Timestamp) -> impl Iterator<Item = &Tick> {
        let first = self.ticks.partition_point(|tick| tick.to <= from);
        self.ticks.range(first..).take_while(move |tick| tick.from < to)
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{consumer, tick};
    use super::*;

    #[test]
    fn ticks_are_found_by_time_and_forgotten_by_age() {
        let mut history = History::new(Nanoseconds(50));
        for start in (0..100).step_by(10) {
            history.add(&tick(start, start + 10, &[(1, start), (2, 5)]), |wanted| *wanted == consumer(1));
        }
        assert_eq!(history.within(Timestamp(0), Timestamp(200)).next().map(|tick| tick.from), Some(Timestamp(40)));
        let found: Vec<u64> = history.within(Timestamp(65), Timestamp(80)).map(|tick| tick.from.0).collect();
        assert_eq!(found, [60, 70]);
        let last = history.within(Timestamp(90), Timestamp(200)).last().expect("a tick");
        assert_eq!((last.cpu_time(&consumer(1)), last.cpu_time(&consumer(2))), (Nanoseconds(90), Nanoseconds::ZERO));
    }

    #[test]
    fn activity_is_that_of_who_is_asked_for() {
        let mut history = History::new(Nanoseconds(1_000));
        for (from, to, used) in [(0, 10, 4), (10, 24, 14), (24, 30, 0)] {
            history.add(&tick(from, to, &[(1, used), (2, 3), (3, 1)]), |_| true);
        }
        assert_eq!(history.resolution(), Nanoseconds(10));
        let activity = history.activity(&[consumer(1), consumer(3)], Timestamp(12), Timestamp(30));
        let expected = [(10, 24, 15.0), (24, 30, 1.0)].map(|(from, to, cpu_time)| Ran { from, to, cpu_time });
        assert_eq!(activity, expected);
    }
}
