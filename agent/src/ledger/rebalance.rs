//! Who gets a visible line when there are more than fit.

use std::cmp::Reverse;
use std::hash::Hash;

use crate::units::Nanoseconds;

use super::level::{Level, SPARE};
use super::line::{Line, LineRef, Moment, Standing};
use super::usage::Period;

/// A hidden line must have used more than so many times as much as the visible one that it replaces, so that two
/// equals do not take turns.
const CLEARLY_LARGER: u64 = 2;

impl<Key: Copy + Eq + Hash, Extra> Level<Key, Extra> {
    /// Gives the lines of those that used little lately to hidden ones that used clearly more, and forgets hidden
    /// ones that are of no account. Goes through all lines: to be called every few seconds.
    pub(super) fn rebalance(&mut self, moment: Moment, periods: &[Period]) {
        if self.visible >= self.limits.visible {
            self.exchange(moment, periods);
        }
        for line in self.lines_mut() {
            line.lately = Nanoseconds(line.lately.0 / 2);
        }
        self.forget_small(moment, periods);
    }

    fn exchange(&mut self, moment: Moment, periods: &[Period]) {
        let mut visible: Vec<(Nanoseconds, LineRef)> =
            self.lines().filter(|(_, line)| line.is_visible()).map(|(place, line)| (claim(line), place)).collect();
        let mut hidden: Vec<(Nanoseconds, LineRef)> = self
            .lines()
            .filter(|(_, line)| line.may_be_admitted(moment.pictures))
            .map(|(place, line)| (line.lately, place))
            .collect();
        visible.sort_unstable_by_key(|(claim, _)| *claim);
        hidden.sort_unstable_by_key(|(lately, _)| Reverse(*lately));
        let mut victims = visible.into_iter();
        // A configuration read anew may allow fewer lines than there are.
        for _ in self.limits.visible..self.visible {
            victims.next().inspect(|(_, victim)| self.give_up(*victim, moment, periods));
        }
        for ((claim, victim), (lately, candidate)) in victims.zip(hidden) {
            if lately.0 <= CLEARLY_LARGER * claim.0 {
                break;
            }
            self.give_up(victim, moment, periods);
            self.admit(candidate, moment);
        }
    }

    fn give_up(&mut self, line: LineRef, moment: Moment, periods: &[Period]) {
        if self.get(line).is_some_and(Line::has_ended) {
            self.fold(line, periods);
        } else {
            self.hide(line, moment, periods);
        }
    }

    /// Leaves room for newcomers to be watched: half of what may be hidden.
    fn forget_small(&mut self, moment: Moment, periods: &[Period]) {
        let mut hidden: Vec<(Nanoseconds, LineRef)> = self
            .lines()
            .filter(|(_, line)| line.may_be_admitted(moment.pictures))
            .map(|(place, line)| (line.lately, place))
            .collect();
        hidden.sort_unstable_by_key(|(lately, _)| Reverse(*lately));
        let worth_it =
            hidden.iter().take(self.limits.visible.midpoint(SPARE)).take_while(|(lately, _)| !lately.is_zero()).count();
        for (_, line) in &hidden[worth_it..] {
            self.fold(*line, periods);
        }
    }
}

/// How much a visible line has to be outdone by: what has ended and was exported has no claim any more.
fn claim<Key, Extra>(line: &Line<Key, Extra>) -> Nanoseconds {
    match line.standing {
        Standing::Ended { exported: Some(_), .. } => Nanoseconds::ZERO,
        _ => line.lately,
    }
}
