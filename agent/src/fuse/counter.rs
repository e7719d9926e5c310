//! Follows one source's counter of one zone from reading to reading.

use crate::clock::Timestamp;
use crate::notice::Notice;
use crate::source::{Counter, CounterRange, Measure, PROCESSORS_UPDATE, Reading};
use crate::units::{Microjoules, Nanoseconds, Watts};

static FELL: Notice = Notice::new("energy_counter_fell");
static JUMPED: Notice = Notice::new("energy_counter_jumped");
static UNKNOWN: Notice = Notice::new("energy_counter_wraps_unknown");
static NO_POWER: Notice = Notice::new("power_not_a_number");

/// The least time between two readings over which a mean power says anything (see `Limits::max_power`).
const SHORTEST_POWER: Nanoseconds = Nanoseconds::from_millis(100);

/// What a package with its memory draws at most: twice what the largest of today are rated for. A counter that may have wrapped
/// at this power since it was read last says nothing.
const MOST_OF_A_PACKAGE: Watts = Watts(1_000.0);

/// A counter that is read more often than this does not wrap unseen (Intel SDM vol. 3B, 16.10.3: around 60 s at high power).
const SHORTEST_WRAP: Nanoseconds = Nanoseconds(60 * Nanoseconds::SECOND.0);

/// How long a processor's counter that has not moved may just not have been updated: some of its updates.
const NOT_UPDATED: Nanoseconds = Nanoseconds(5 * PROCESSORS_UPDATE.0);

/// What a reading says in the light of the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Nothing: it came twice, or late behind a newer one, or the counter was not updated since.
    Ignored,
    /// Counting begins here.
    Baseline,
    /// Energy since the reading before.
    Gained {
        /// When the reading before was.
        from: Timestamp,
        /// How much.
        energy: Microjoules,
    },
}

/// The newest reading of one source and zone.
#[derive(Debug, Default)]
pub(crate) struct CounterTrack {
    newest: Option<(Timestamp, Measure)>,
}

impl CounterTrack {
    /// When the newest reading was.
    pub(super) fn newest(&self) -> Option<Timestamp> {
        self.newest.map(|(at, _)| at)
    }

    /// The newest reading's counter, if it has one.
    pub(super) fn newest_counter(&self) -> Option<(Timestamp, Counter)> {
        match self.newest? {
            (at, Measure::Energy(counter)) => Some((at, counter)),
            (_, Measure::Power(_)) => None,
        }
    }

    /// Takes the next reading.
    ///
    /// A counter that falls has wrapped if it has a range: the energy is `max - previous + current` (as the kernel's
    /// own users of `max_energy_range_uj` reckon, Documentation/power/powercap/powercap.rst). Without a range and
    /// without a new epoch, or when it moved faster than `max_power`, it was reset by something that nobody told of: it
    /// is a baseline again, and no energy is invented for the time between.
    pub(crate) fn step(&mut self, reading: &Reading, max_power: Watts) -> Step {
        if matches!(reading.measure, Measure::Power(power) if !power.0.is_finite()) {
            NO_POWER.warn(format_args!(
                "{} gave a power of {} that is not a finite number; the reading is left out (check the meter)",
                reading.source, reading.zone
            ));
            return Step::Ignored;
        }
        let Some((from, previous)) = self.newest else {
            self.newest = Some((reading.at, reading.measure));
            return Step::Baseline;
        };
        if reading.at <= from {
            return Step::Ignored;
        }
        let time = reading.at.since(from);
        if reading.measure == previous && reading.is_processors_own() && time < NOT_UPDATED {
            return Step::Ignored;
        }
        self.newest = Some((reading.at, reading.measure));
        if let Measure::Energy(Counter { range: CounterRange::WrapsAfter(range), .. }) = reading.measure
            && reading.is_processors_own()
            && time >= SHORTEST_WRAP
            && MOST_OF_A_PACKAGE * time >= range
        {
            UNKNOWN.warn(format_args!(
                "{} was not read by {} for {} s, in which its counter may have wrapped: what was used meanwhile is not known \
                 and not booked",
                reading.zone,
                reading.source,
                time.seconds()
            ));
            return Step::Baseline;
        }
        let energy = match (previous, reading.measure) {
            (Measure::Energy(previous), Measure::Energy(current)) => difference(previous, current),
            (Measure::Power(_), Measure::Power(power)) => Some(power * time),
            _ => return Step::Baseline,
        };
        match energy {
            None => {
                FELL.warn(format_args!(
                    "the energy counter of {} by {} fell without having a range to wrap in; counting begins anew there \
                     (was the meter restarted, or its driver loaded again?)",
                    reading.zone, reading.source
                ));
                Step::Baseline
            }
            Some(energy) if energy.over(time.max(SHORTEST_POWER)) > max_power => {
                JUMPED.warn(format_args!(
                    "the energy counter of {} by {} jumped by {energy} within {} s; counting begins anew there (was the \
                     counter reset? are the meter's channel and unit right?)",
                    reading.zone,
                    reading.source,
                    time.seconds()
                ));
                Step::Baseline
            }
            Some(energy) => Step::Gained { from, energy },
        }
    }
}

/// How far a counter moved; `None` where it fell and cannot have wrapped.
fn difference(previous: Counter, current: Counter) -> Option<Microjoules> {
    if current.epoch != previous.epoch {
        return Some(current.total);
    }
    current.total.checked_sub(previous.total).or_else(|| match current.range {
        CounterRange::Unbounded => None,
        CounterRange::WrapsAfter(max) => {
            Some(Microjoules(max.checked_sub(previous.total)?.0.saturating_add(current.total.0)))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{counter_reading, node, package, power_reading, reading};
    use super::*;
    use crate::source::Zone;

    const ANY_POWER: Watts = Watts(f64::INFINITY);

    fn steps(readings: &[Reading]) -> Vec<Step> {
        let mut track = CounterTrack::default();
        readings.iter().map(|reading| track.step(reading, ANY_POWER)).collect()
    }

    fn gained(from: u64, energy: u64) -> Step {
        Step::Gained { from: Timestamp(from), energy: Microjoules(energy) }
    }

    fn wrapping(at: u64, total: u64) -> Reading {
        counter_reading(at, total, CounterRange::WrapsAfter(Microjoules(1000)), 0)
    }

    fn unbounded(at: u64, total: u64, epoch: u32) -> Reading {
        counter_reading(at, total, CounterRange::Unbounded, epoch)
    }

    #[test]
    fn a_counter_wraps_after_its_largest_value() {
        let found = steps(&[wrapping(10, 900), wrapping(20, 990), wrapping(30, 40)]);
        assert_eq!(found, [Step::Baseline, gained(10, 90), gained(20, 50)]);
    }

    #[test]
    fn a_new_epoch_makes_the_whole_value_new_energy() {
        let found = steps(&[unbounded(10, 900, 1), unbounded(20, 30, 2), unbounded(30, 31, 2)]);
        assert_eq!(found, [Step::Baseline, gained(10, 30), gained(20, 1)]);
    }

    #[test]
    fn a_fall_that_nobody_explains_is_a_new_baseline() {
        let found = steps(&[unbounded(10, 900, 0), unbounded(20, 30, 0), unbounded(30, 35, 0)]);
        assert_eq!(found, [Step::Baseline, Step::Baseline, gained(20, 5)]);
        assert_eq!(steps(&[wrapping(10, 5000), wrapping(20, 40)]), [Step::Baseline, Step::Baseline]);
    }

    #[test]
    fn duplicates_and_latecomers_say_nothing() {
        let found = steps(&[
            unbounded(10, 1, 0),
            unbounded(30, 9, 0),
            unbounded(20, 5, 0),
            unbounded(30, 9, 0),
            unbounded(40, 9, 0),
        ]);
        assert_eq!(found, [Step::Baseline, gained(10, 8), Step::Ignored, Step::Ignored, gained(30, 0)]);
    }

    #[test]
    fn a_processors_counter_is_timed_by_its_updates() {
        let mut track = CounterTrack::default();
        let mut step = |micros: u64, total: u64, zone: Zone| {
            let counter =
                Counter { total: Microjoules(total), range: CounterRange::Unbounded, epoch: 0, outlives_agent: false };
            track.step(&reading("rapl", zone, micros * 1_000, Measure::Energy(counter)), ANY_POWER)
        };
        assert_eq!(step(1_000, 100, package(0)), Step::Baseline);
        assert_eq!(step(1_500, 140, package(0)), gained(1_000_000, 40));
        assert_eq!(step(2_000, 140, package(0)), Step::Ignored, "it was not updated");
        assert_eq!(step(2_500, 180, package(0)), gained(1_500_000, 40), "it counted since its last update");
        assert_eq!(step(9_000, 180, package(0)), gained(2_500_000, 0), "memory that sleeps may draw nothing");
        assert_eq!(step(9_500, 180, node()), gained(9_000_000, 0), "another meter's counter is what it says");
    }

    #[test]
    fn what_may_have_wrapped_unseen_is_not_guessed() {
        let range = CounterRange::WrapsAfter(Microjoules(262_143_328_850));
        let second = Nanoseconds::SECOND.0;
        let mut track = CounterTrack::default();
        let mut step = |at: u64, total: u64| {
            let counter = Counter { total: Microjoules(total), range, epoch: 0, outlives_agent: true };
            track.step(&reading("rapl", package(0), at * second, Measure::Energy(counter)), ANY_POWER)
        };
        assert_eq!(step(1, 262_143_000_000), Step::Baseline);
        assert_eq!(step(101, 1_000_000), gained(second, 1_328_850), "a wrap that is seen");
        assert_eq!(step(400, 9_000_000), Step::Baseline, "299 s at 1 kW are more than the counter holds");
        assert_eq!(step(401, 9_500_000), gained(400 * second, 500_000));
    }

    #[test]
    fn a_jump_that_no_machine_can_draw_is_no_energy() {
        let mut track = CounterTrack::default();
        let second = Nanoseconds::SECOND.0;
        let watts = |at: u64, joules: u64| unbounded(at * second, joules * 1_000_000, 0);
        assert_eq!(track.step(&watts(1, 5), Watts(1000.0)), Step::Baseline);
        assert_eq!(track.step(&watts(2, 505), Watts(1000.0)), gained(second, 500_000_000));
        assert_eq!(track.step(&watts(3, 200_000), Watts(1000.0)), Step::Baseline);
    }

    #[test]
    fn power_counts_for_the_time_since_the_reading_before() {
        let second = Nanoseconds::SECOND.0;
        let found = steps(&[
            power_reading(second, 50.0),
            power_reading(3 * second, 2.5),
            power_reading(4 * second, f64::NAN),
            power_reading(5 * second, 1.0),
            power_reading(6 * second, -1.0),
        ]);
        let expected = [
            Step::Baseline,
            gained(second, 5_000_000),
            Step::Ignored,
            gained(3 * second, 2_000_000),
            gained(5 * second, 0),
        ];
        assert_eq!(found, expected);
    }
}
