//! One counter for a zone that the kernel shows several times, once per die.
//!
//! Some processors have one energy counter per die; on others (multi-die AMD on older kernels, and others) every die
//! shows the package's one counter, and adding them up doubles the power. Which it is cannot be read anywhere, so it
//! is observed, and the zone is held back meanwhile:
//!
//! - Movement is cut into stretches of at least [`STRETCH`] by the die that moves most. Mirrors have moved by the same
//!   amount, to the last unit, unless the counter was updated (every 0.976 ms) just between the two reads. Counters of
//!   different dies agree to the unit only by rare chance: a stretch has more than 1,600 units of 61 µJ.
//! - A die that agreed with an earlier one in [`SAME`] stretches mirrors it and is left out. After [`STRETCHES`]
//!   stretches all that is left counts for itself.
//!
//! From then on the zone is given out as the sum over the dies that count for themselves, starting at zero.

use crate::source::{Counter, CounterRange};
use crate::units::Microjoules;

/// The least movement over which two counters are compared.
const STRETCH: Microjoules = Microjoules(100_000);
/// How many stretches of the same movement make a mirror.
const SAME: u32 = 4;
/// After how many stretches all others are taken as counters of their own.
const STRETCHES: u32 = 16;
/// Counts that started at different moments round differently to whole microjoules.
const ROUNDING: u64 = 2;

/// The counters of one zone.
#[derive(Debug)]
pub(super) struct DieSum {
    dies: Vec<Die>,
    stage: Stage,
    total: Microjoules,
    epoch: u32,
}

#[derive(Debug)]
struct Die {
    range: CounterRange,
    last: Option<Microjoules>,
    /// Movement in this stretch, or since the last sum.
    moved: Microjoules,
    /// In how many stretches it moved like each of the dies before it.
    same: Vec<u32>,
    mirror: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// There is only one counter: it is handed on as it is.
    Single,
    /// Several, of which it is not yet known which are mirrors.
    Comparing { stretches: u32 },
    /// What is given out is the sum.
    Summing,
}

impl DieSum {
    /// For counters with these ranges, in an order that stays.
    pub(super) fn new(ranges: &[CounterRange]) -> Self {
        let stage = if ranges.len() == 1 { Stage::Single } else { Stage::Comparing { stretches: 0 } };
        Self { dies: new_dies(ranges), stage, total: Microjoules::ZERO, epoch: 0 }
    }

    /// The zone's counters are others now, one at least (a die went offline or came back). The sum goes on from where
    /// it is.
    pub(super) fn replace(&mut self, ranges: &[CounterRange]) {
        self.dies = new_dies(ranges);
        self.stage = match (self.stage, ranges.len()) {
            (Stage::Single, 1) => Stage::Single,
            (Stage::Single, _) => {
                self.epoch += 1;
                Stage::Comparing { stretches: 0 }
            }
            (_, 1) => Stage::Summing,
            (_, _) => Stage::Comparing { stretches: 0 },
        };
    }

    /// How many of the counters show what another one shows.
    fn mirrors(&self) -> usize {
        self.dies.iter().filter(|die| die.mirror).count()
    }

    /// The zone's counter, given what its counters show now, in the order of the ranges; `None` for one that cannot
    /// be read now. `None` while the zone is held back; what a counter moves while it cannot be read comes later.
    pub(super) fn combine(&mut self, values: &[Option<Microjoules>]) -> Option<Counter> {
        if self.stage == Stage::Single {
            let total = values.first().copied().flatten()?;
            let range = self.dies[0].range;
            // The hardware's own counter wraps. Perf's does not, and begins at zero for every agent.
            let outlives_agent = range != CounterRange::Unbounded;
            return Some(Counter { total, range, epoch: self.epoch, outlives_agent });
        }
        for (die, value) in self.dies.iter_mut().zip(values) {
            die.advance(*value);
        }
        let readable = values.len() == self.dies.len()
            && self.dies.iter().zip(values).all(|(die, value)| die.mirror || value.is_some());
        if !readable {
            return None;
        }
        if let Stage::Comparing { stretches } = self.stage {
            self.compare(stretches);
            if self.stage != Stage::Summing {
                return None;
            }
        }
        for die in &mut self.dies {
            let moved = std::mem::take(&mut die.moved);
            if !die.mirror {
                self.total = Microjoules(self.total.0.saturating_add(moved.0));
            }
        }
        let range = CounterRange::Unbounded;
        Some(Counter { total: self.total, range, epoch: self.epoch, outlives_agent: false })
    }

    /// Closes a stretch if there was enough movement, and the comparison if enough stretches agree.
    fn compare(&mut self, stretches: u32) {
        let movement: Vec<u64> = self.dies.iter().map(|die| die.moved.0).collect();
        if movement.iter().max().is_none_or(|&most| most < STRETCH.0) {
            return;
        }
        for (index, die) in self.dies.iter_mut().enumerate() {
            die.moved = Microjoules::ZERO;
            for (same, earlier) in die.same.iter_mut().zip(&movement) {
                *same += u32::from(movement[index].abs_diff(*earlier) <= ROUNDING && movement[index] > 0);
            }
            die.mirror = die.same.iter().any(|&same| same >= SAME);
        }
        let stretches = stretches + 1;
        let all_mirror_the_first = self.dies.iter().skip(1).all(|die| die.mirror);
        self.stage = if all_mirror_the_first || stretches >= STRETCHES {
            Stage::Summing
        } else {
            Stage::Comparing { stretches }
        };
        if self.stage == Stage::Summing {
            tracing::info!(
                counters = self.dies.len(),
                mirrors = self.mirrors(),
                "RAPL shows a zone once per die; counters that mirror another one are left out of the sum"
            );
        }
    }
}

impl Die {
    fn advance(&mut self, value: Option<Microjoules>) {
        let Some(now) = value else { return };
        if let Some(last) = self.last {
            self.moved = Microjoules(self.moved.0.saturating_add(movement(last, now, self.range).0));
        }
        self.last = Some(now);
    }
}

fn new_dies(ranges: &[CounterRange]) -> Vec<Die> {
    ranges
        .iter()
        .enumerate()
        .map(|(index, &range)| Die { range, last: None, moved: Microjoules::ZERO, same: vec![0; index], mirror: false })
        .collect()
}

/// How far a counter has moved; one wrap at most.
fn movement(last: Microjoules, now: Microjoules, range: CounterRange) -> Microjoules {
    match range {
        CounterRange::WrapsAfter(max) if now < last => max.saturating_sub(last) + now + Microjoules(1),
        _ => now.saturating_sub(last),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RANGE: CounterRange = CounterRange::WrapsAfter(Microjoules(262_143_328_850));

    fn sum_of(steps: &[[u64; 2]]) -> (Vec<u64>, DieSum) {
        let mut zone = DieSum::new(&[RANGE, RANGE]);
        let mut at = [262_143_000_000_u64, 7];
        let mut totals = Vec::new();
        for step in steps {
            for (value, moved) in at.iter_mut().zip(step) {
                *value = (*value + moved) % 262_143_328_851;
            }
            totals.extend(zone.combine(&at.map(|value| Some(Microjoules(value)))).map(|counter| counter.total.0));
        }
        (totals, zone)
    }

    #[test]
    fn a_single_counter_is_handed_on_as_it_is() {
        let mut zone = DieSum::new(&[RANGE]);
        let counter = zone.combine(&[Some(Microjoules(5))]).expect("no hold-back");
        assert_eq!(counter, Counter { total: Microjoules(5), range: RANGE, epoch: 0, outlives_agent: true });
        assert_eq!(zone.combine(&[None]), None);
    }

    #[test]
    fn mirrors_count_once_even_when_reads_straddle_updates() {
        let steps: Vec<[u64; 2]> = (0..40)
            .map(|step| match step % 5 {
                0 => [120_061, 120_000],
                1 => [120_000, 120_061],
                _ => [130_000 + step, 130_000 + step],
            })
            .collect();
        let (totals, zone) = sum_of(&steps);
        assert_eq!(zone.mirrors(), 1);
        let given_out: u64 = steps[steps.len() - totals.len() + 1..].iter().map(|step| step[0]).sum();
        assert_eq!(totals[totals.len() - 1] - totals[0], given_out);
    }

    #[test]
    fn a_die_without_load_is_no_mirror_and_adds_nothing() {
        let (totals, zone) = sum_of(&[[150_000, 0]; 40]);
        assert_eq!(zone.mirrors(), 0);
        assert_eq!(totals.windows(2).map(|pair| pair[1] - pair[0]).max(), Some(150_000));
    }

    #[test]
    fn a_die_that_goes_and_comes_back_never_makes_the_sum_fall() {
        let (totals, mut zone) = sum_of(&[[150_000, 110_123]; 40]);
        let before = *totals.last().expect("given out");
        zone.replace(&[RANGE]);
        assert_eq!(zone.combine(&[Some(Microjoules(9))]).map(|counter| counter.total.0), Some(before));
        assert_eq!(zone.combine(&[Some(Microjoules(29))]).map(|counter| counter.total.0), Some(before + 20));
    }

    #[test]
    fn energy_counted_while_a_die_was_unreadable_is_not_lost() {
        let (totals, mut zone) = sum_of(&[[150_000, 110_123]; 20]);
        let before = *totals.last().expect("given out");
        let [first, second] = zone.dies.iter().map(|die| die.last.expect("read").0).collect::<Vec<_>>()[..] else {
            panic!("two dies")
        };
        assert_eq!(zone.combine(&[Some(Microjoules(first + 5)), None]), None);
        let counter = zone.combine(&[Some(Microjoules(first + 6)), Some(Microjoules(second + 100))]).expect("readable");
        assert_eq!(counter.total.0, before + 106);
    }

    proptest! {
        /// Different dies: the sum moves by what both moved, and wraps do not show.
        #[test]
        fn distinct_dies_add_up(steps in prop::collection::vec((100_000_u64..900_000, 100_000_u64..900_000), 30..60)) {
            let steps: Vec<[u64; 2]> = steps.into_iter().map(|(first, second)| [first, second + 3]).collect();
            let (totals, zone) = sum_of(&steps);
            prop_assert_eq!(zone.mirrors(), 0);
            let given_out: u64 = steps[steps.len() - totals.len() + 1..].iter().flatten().sum();
            prop_assert_eq!(totals[totals.len() - 1] - totals[0], given_out);
        }
    }
}
