//! Whether a meter of the whole machine and those of its packages say the same.

use crate::notice::Notice;
use crate::source::SourceId;
use crate::units::{Microjoules, Nanoseconds, Watts};

use super::meter_state::Supply;

static DISAGREES: Notice = Notice::new("meters_disagree");
static STUCK: Notice = Notice::new("energy_meter_stuck");

/// Over so long it is averaged how far off the meter is.
const AVERAGED: Nanoseconds = Nanoseconds(20 * Nanoseconds::SECOND.0);
/// From where on that is a disagreement, and below which it is none any more: parts of what is foretold.
const OFF: f64 = 0.15;
const BACK: f64 = 0.05;
/// After so long nothing is learned from a single interval that is off by more than this part.
const SETTLED: Nanoseconds = Nanoseconds(60 * Nanoseconds::SECOND.0);
const ODD: f64 = 0.3;
/// After so long of disagreement the meter is believed: something has changed for good.
const BELIEVED_AFTER: Nanoseconds = Nanoseconds(600 * Nanoseconds::SECOND.0);
/// What a watt of packages can take of the whole machine: less than itself is impossible (but for the meters' errors), and
/// no supply wastes two thirds.
const PLAUSIBLE: std::ops::RangeInclusive<f64> = 0.9..=3.0;
/// How sure the gain has to be before it is judged (one sigma).
const SURE: f64 = 0.1;
/// How long a meter has to say exactly the same, while what explains its power moves by this factor, to be stuck.
const STUCK_AFTER: Nanoseconds = Nanoseconds(10 * Nanoseconds::SECOND.0);
const STUCK_READINGS: u32 = 5;
const MOVES: f64 = 1.2;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Agreement {
    /// How far the meter is off what is foretold, relative; averaged.
    off: f64,
    seen: Nanoseconds,
    disagrees: bool,
    since: Nanoseconds,
    same: Same,
}

/// How long a meter has said the same.
#[derive(Clone, Copy, Debug, Default)]
struct Same {
    power: f64,
    time: Nanoseconds,
    readings: u32,
    /// The least and the most of what explains it meanwhile.
    between: Option<(f64, f64)>,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Judgement {
    /// What the meter says is to be learned from.
    Learn,
    /// It is not.
    Ignore,
    /// It is, and what was known of it is not true any more.
    LearnAnew,
}

impl Agreement {
    pub(super) fn disagrees(&self) -> bool {
        self.disagrees
    }

    /// How far off the meter is, in parts of what is foretold.
    pub(super) fn off(&self) -> f64 {
        self.off
    }

    /// Takes what the meter counted over a time, the power that is foretold of it, the power that explains that, and how the
    /// two hang together.
    pub(super) fn observe(
        &mut self,
        source: &SourceId,
        (energy, time): (Microjoules, Nanoseconds),
        (foretold, explaining): (Watts, Watts),
        supply: Supply,
    ) -> Judgement {
        let power = energy.over(time).0;
        self.same.observe(power, time, explaining.0);
        self.seen += time;
        let relative = ((power - foretold.0) / foretold.0.max(f64::MIN_POSITIVE)).clamp(-1.0, 1.0);
        let part = time.0 as f64 / AVERAGED.0.min(self.seen.0).max(1) as f64;
        self.off += (relative - self.off) * part.min(1.0);
        let is_implausible = supply.gain_sigma < SURE && !PLAUSIBLE.contains(&supply.gain);
        let is_off = self.seen >= AVERAGED && self.off.abs() > if self.disagrees { BACK } else { OFF };
        if self.same.is_stuck() {
            STUCK.warn(format_args!(
                "{source} has said {power:.3} W for {:.0} s, while the packages' power has moved: it is stuck (restart the \
                 meter, or look at its wiring)",
                self.same.time.seconds()
            ));
        } else if is_implausible {
            DISAGREES.warn(format_args!(
                "{source} moves by {:.2} W for each watt of the packages, which no supply does: check the meter's channel, its \
                 volts and its shunt",
                supply.gain
            ));
        } else if is_off {
            DISAGREES.warn(format_args!(
                "{source} says {power:.1} W where the packages' power lets expect {:.1} W: has a shunt failed, a device been \
                 plugged in, or the supply changed?",
                foretold.0
            ));
        }
        self.disagrees = self.same.is_stuck() || is_implausible || is_off;
        if !self.disagrees {
            self.since = Nanoseconds::ZERO;
            let is_odd = self.seen >= SETTLED && relative.abs() > ODD;
            return if is_odd { Judgement::Ignore } else { Judgement::Learn };
        }
        self.since += time;
        match self.since < BELIEVED_AFTER {
            _ if is_implausible => Judgement::Learn,
            true => Judgement::Ignore,
            false => {
                *self = Self::default();
                Judgement::LearnAnew
            }
        }
    }
}

impl Same {
    fn observe(&mut self, power: f64, time: Nanoseconds, explaining: f64) {
        // Energies are whole microjoules: the mean power of intervals that differ by some nanoseconds does, too.
        if (power - self.power).abs() > 1e-6 * self.power.abs() {
            *self = Self { power, ..Self::default() };
        }
        self.time += time;
        self.readings += 1;
        let (least, most) = self.between.unwrap_or((explaining, explaining));
        self.between = Some((least.min(explaining), most.max(explaining)));
    }

    fn is_stuck(&self) -> bool {
        let moved = self.between.is_some_and(|(least, most)| most > MOVES * least);
        moved && self.time >= STUCK_AFTER && self.readings >= STUCK_READINGS
    }
}
