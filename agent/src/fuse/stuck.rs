//! Whether a meter stands still.

use serde::{Deserialize, Serialize};

use crate::notice::Notice;
use crate::source::SourceId;
use crate::units::{Nanoseconds, Watts};

static STUCK: Notice = Notice::new("energy_meter_stuck");

/// How long a meter has to say the same, while what explains its power moves by this factor, to be stuck.
const STUCK_AFTER: Nanoseconds = Nanoseconds(4 * Nanoseconds::SECOND.0);
const STUCK_READINGS: u32 = 4;
const MOVES: f64 = 1.2;
/// What is the same, relative: a meter's clock is only known to some parts of ten thousand from one reading to the next.
const SAME: f64 = 5e-3;

/// How long a meter has said the same, and the least and the most of what explains it meanwhile.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Stuck {
    power: f64,
    time: Nanoseconds,
    readings: u32,
    between: Option<(f64, f64)>,
}

impl Stuck {
    /// Takes the power that a meter said for a time, and one that explains it: of the packages, or what is foretold. Says
    /// whether the meter is stuck. One that says zero is not: what it measures may be off.
    pub(super) fn observe(&mut self, source: &SourceId, power: Watts, time: Nanoseconds, explaining: Watts) -> bool {
        if (power.0 - self.power).abs() > SAME * self.power.abs() {
            *self = Self { power: power.0, ..Self::default() };
        }
        self.time += time;
        self.readings += 1;
        let (least, most) = self.between.unwrap_or((explaining.0, explaining.0));
        self.between = Some((least.min(explaining.0), most.max(explaining.0)));
        let is_stuck = self.is_stuck();
        if is_stuck {
            STUCK.warn(format_args!(
                "{source} has said {:.3} W for {:.0} s, while what it measures has moved: it is stuck (restart the meter, or \
                 look at its wiring)",
                power.0,
                self.time.seconds()
            ));
        }
        is_stuck
    }

    pub(super) fn is_stuck(&self) -> bool {
        self.has_moved(MOVES) && self.power > 0.0 && self.time >= STUCK_AFTER && self.readings >= STUCK_READINGS
    }

    /// Whether it may be, so that nothing should be learned from it.
    pub(super) fn is_doubtful(&self) -> bool {
        self.power > 0.0 && self.readings > 1 && self.has_moved(MOVES.sqrt())
    }

    /// Whether what explains it has moved by this factor.
    fn has_moved(&self, factor: f64) -> bool {
        self.between.is_some_and(|(least, most)| most > factor * least)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(readings: impl IntoIterator<Item = (f64, f64)>) -> bool {
        let (mut stuck, source) = (Stuck::default(), SourceId("meter".into()));
        readings.into_iter().fold(false, |_, (said, explaining)| {
            stuck.observe(&source, Watts(said), Nanoseconds::SECOND, Watts(explaining))
        })
    }

    #[test]
    fn a_meter_that_says_the_same_while_what_it_measures_moves_is_stuck() {
        let packages = |at: u32| if at.is_multiple_of(2) { 20.0 } else { 26.0 };
        assert!(after((0..20).map(|at| (37.6, packages(at)))));
        assert!(!after((0..3).map(|at| (37.6, packages(at)))), "it may be chance");
        assert!(!after((0..20).map(|at| (37.6, packages(at))).chain([(38.6, 20.0)])), "it is back");
        assert!(!after((0..100).map(|_| (16.0, 5.0))), "an idle machine draws the same all the time");
        assert!(!after((0..20).map(|at| (0.0, packages(at)))), "a rail that is off");
    }
}
