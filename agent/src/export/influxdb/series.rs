//! Points from intervals. A point's power is the mean since the point before it in its series, so that the sum of all
//! powers times their spans is what the books say.

use std::collections::BTreeMap;

use crate::clock::Timestamp;
use crate::units::{Nanoseconds, Watts};

use super::intervals::{Interval, Used};

/// For how long a target that uses nothing goes on with points of 0 W.
const QUIET_FOR: Nanoseconds = Nanoseconds(60 * Nanoseconds::SECOND.0);

/// One point of a series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Point<'a> {
    pub(super) tags: &'a str,
    pub(super) at: Timestamp,
    pub(super) power: Watts,
}

/// The series that go on, by their tags.
#[derive(Debug, Default)]
pub(super) struct Series(BTreeMap<String, GoingOn>);

#[derive(Debug)]
struct GoingOn {
    /// When it has last used anything.
    used: Timestamp,
    runs: bool,
}

impl Series {
    /// Tells the points of an interval. A series that begins, and every one where `anew` (the clock was set), has a point
    /// of 0 W at the interval's beginning.
    pub(super) fn points(&mut self, interval: &Interval, anew: bool, mut tell: impl FnMut(Point<'_>)) {
        let Interval { from, to, used } = interval;
        for (tags, Used { energy, runs }) in used.iter().filter(|(_, used)| !used.energy.is_zero()) {
            let goes_on = self.0.insert(tags.clone(), GoingOn { used: *to, runs: *runs }).is_some();
            if !goes_on || anew {
                tell(Point { tags, at: *from, power: Watts(0.0) });
            }
            tell(Point { tags, at: *to, power: energy.over(to.since(*from)) });
        }
        self.0.retain(|tags, series| {
            if series.used == *to {
                return true;
            }
            tell(Point { tags, at: *to, power: Watts(0.0) });
            series.runs &= used.get(tags).is_none_or(|used| used.runs);
            series.runs && to.since(series.used) < QUIET_FOR
        });
    }
}
