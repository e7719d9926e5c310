//! Learns a zone's static power: what it draws with nothing running.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::units::{Microjoules, Nanoseconds, Watts};

use super::load::Load;

/// Counters are updated about every millisecond, so that power over a short window is mostly noise; over a second that
/// noise is a thousandth.
const SHORTEST_SAMPLE: Nanoseconds = Nanoseconds::SECOND;
/// Five minutes of samples, or longer where a meter is slower than one reading a second.
const HORIZON: usize = 300;
/// The part of the samples, those of the least utilisation, that count as the most idle ones.
const IDLEST: f64 = 0.25;
/// Utilisations that differ by less than this count as alike.
const ALIKE: f64 = 0.002;
/// How much busier a sample may be each second that none as idle as before has come.
const PATIENCE: f64 = 0.05 / 3600.0;
/// Up to this utilisation a machine is as good as idle.
const IDLE: f64 = 0.05;
/// How many samples in a row are averaged for the bound that static power never exceeds.
const SMOOTHED: usize = 3;
/// How much of the way upwards the bound goes with each sample.
const BOUND_RISE: f64 = 1.0 / 3600.0;
/// How much of the way upwards is gone with each sample, so that a busier quarter of an hour hardly lifts the floor.
const RISE: f64 = 1.0 / 60.0;

/// The robust lower envelope of power against utilisation.
///
/// Of the samples (1 s or longer) within the horizon it takes the quarter with the least utilisation, and all that are as idle
/// as these, and of them the median power, which neither a noisy meter nor one that lost something moves: power P at
/// utilisation u. The floor is `P (1 - u)`: on an idle machine that is P itself;
/// on a machine that was never seen idle, P is only an upper bound, and time that was not idle is not charged as idle
/// (Kepler scales by /proc/stat's idle share in the same way). The floor
/// - goes where samples of a clearly lower utilisation than ever before say, at once;
/// - follows samples about as idle as those it was learned from, downwards at once and upwards slowly;
/// - stays where the horizon holds busier samples only, for up to an hour for each 5 % that they are busier;
/// - is never above the least mean power of three samples in a row.
///
/// Before the first sample is complete, what there is of it counts, unless a floor is remembered: that counts as learned on
/// an idle machine.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Envelope {
    gathering: Gathering,
    samples: VecDeque<Sample>,
    floor: Option<Floor>,
    least: Option<f64>,
}

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Gathering {
    energy: Microjoules,
    time: Nanoseconds,
    load: Load,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Sample {
    power: f64,
    utilisation: f64,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Floor {
    power: f64,
    /// The power that it was learned from, with what an idle machine does.
    idle: f64,
    /// The least utilisation that it was learned from.
    utilisation: f64,
}

impl Envelope {
    /// Begins with what was learned before.
    pub(super) fn remembering(power: Watts) -> Self {
        let floor = Floor { power: power.0, idle: power.0, utilisation: 0.0 };
        Self { floor: Some(floor), least: Some(power.0), ..Self::default() }
    }

    /// Takes what was used over `time` under `load`.
    pub(super) fn observe(&mut self, energy: Microjoules, time: Nanoseconds, load: Load) {
        self.gathering.energy += energy;
        self.gathering.time += time;
        self.gathering.load.add(load);
        if self.gathering.time >= SHORTEST_SAMPLE {
            if self.samples.len() == HORIZON {
                self.samples.pop_front();
            }
            self.samples.push_back(std::mem::take(&mut self.gathering).sample());
            self.learn();
        }
    }

    /// Forgets the sample that is being gathered: a stretch follows of which the load is not known.
    pub(super) fn interrupt(&mut self) {
        self.gathering = Gathering::default();
    }

    /// Static power as far as it is known; zero before anything is.
    pub(super) fn power(&self) -> Watts {
        let floor = self.floor.unwrap_or_else(|| self.gathering.sample().floor());
        Watts(floor.power)
    }

    /// The same where it was learned on a machine that was as good as idle, so that it holds for another time too.
    pub(super) fn idle_static_power(&self) -> Option<Watts> {
        self.floor.filter(|floor| floor.utilisation <= IDLE).map(|floor| Watts(floor.power))
    }

    /// What such a machine has drawn, with the little that it did.
    pub(super) fn idle_power(&self) -> Option<Watts> {
        self.floor.filter(|floor| floor.utilisation <= IDLE).map(|floor| Watts(floor.idle))
    }

    /// What static power cannot be above: the least mean power of three samples in a row. Over an hour without as little it
    /// rises to what was least lately.
    pub(super) fn bound(&self) -> Option<Watts> {
        self.least.map(Watts)
    }

    fn learn(&mut self) {
        let lately = self.least_smoothed();
        let least = self.least.map_or(lately, |least| lately.min(least + (lately - least) * BOUND_RISE));
        self.least = Some(least);
        let found = self.idle_sample().floor();
        let mut floor = match self.floor {
            Some(floor) if found.utilisation > floor.utilisation + ALIKE => {
                Floor { utilisation: floor.utilisation + PATIENCE, ..floor }
            }
            Some(floor) if found.utilisation >= floor.utilisation - ALIKE => {
                let rise = if found.power > floor.power { RISE } else { 1.0 };
                Floor {
                    power: floor.power + (found.power - floor.power) * rise,
                    idle: found.idle,
                    utilisation: floor.utilisation.min(found.utilisation),
                }
            }
            _ => found,
        };
        floor.power = floor.power.min(lately);
        self.floor = Some(floor);
    }

    fn idle_sample(&self) -> Sample {
        let mut samples: Vec<Sample> = self.samples.iter().copied().collect();
        samples.sort_unstable_by(|left, right| {
            left.utilisation.total_cmp(&right.utilisation).then(left.power.total_cmp(&right.power))
        });
        let idlest = (samples.len() as f64 * IDLEST).ceil() as usize;
        let least = samples[idlest - 1].utilisation + ALIKE;
        samples.truncate(samples.partition_point(|sample| sample.utilisation <= least));
        let utilisation = samples[samples.len() - 1].utilisation;
        samples.sort_unstable_by(|left, right| left.power.total_cmp(&right.power));
        Sample { power: samples[(samples.len() - 1) / 2].power, utilisation }
    }

    fn least_smoothed(&self) -> f64 {
        let width = SMOOTHED.min(self.samples.len());
        let means = (0..=self.samples.len() - width).map(|start| {
            self.samples.range(start..start + width).map(|sample| sample.power).sum::<f64>() / width as f64
        });
        means.fold(f64::INFINITY, f64::min)
    }
}

impl Gathering {
    fn sample(self) -> Sample {
        let Load { busy, idle } = self.load;
        let utilisation = if busy > 0.0 { busy / (busy + idle) } else { 0.0 };
        Sample { power: self.energy.over(self.time).0, utilisation }
    }
}

impl Sample {
    fn floor(self) -> Floor {
        Floor { power: self.power * (1.0 - self.utilisation), idle: self.power, utilisation: self.utilisation }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `seconds` of a machine that draws `watts` at this utilisation, in steps of 100 ms.
    fn run(envelope: &mut Envelope, seconds: u64, watts: f64, utilisation: f64) -> Watts {
        let step = Nanoseconds::from_millis(100);
        let capacity = 4.0 * step.0 as f64;
        for _ in 0..seconds * 10 {
            let load = Load { busy: capacity * utilisation, idle: capacity * (1.0 - utilisation) };
            envelope.observe(Watts(watts) * step, step, load);
        }
        envelope.power()
    }

    #[test]
    fn idle_power_is_learned_and_kept_under_load() {
        let mut envelope = Envelope::default();
        assert_eq!(run(&mut envelope, 5, 10.0, 0.0), Watts(10.0));
        assert_eq!(
            run(&mut envelope, 3600, 80.0, 1.0),
            Watts(10.0),
            "an hour of load is no evidence of a higher floor"
        );
    }

    #[test]
    fn a_machine_never_seen_idle_is_not_charged_all_its_power_as_static() {
        let mut envelope = Envelope::default();
        assert_eq!(run(&mut envelope, 30, 80.0, 1.0), Watts(0.0));
        assert!((run(&mut envelope, 30, 30.0, 0.25).0 - 22.5).abs() < 1e-3, "better evidence counts at once");
        assert_eq!(run(&mut envelope, 30, 10.0, 0.0), Watts(10.0));
    }

    #[test]
    fn the_floor_falls_at_once_and_rises_slowly() {
        let mut envelope = Envelope::default();
        run(&mut envelope, 60, 10.0, 0.0);
        assert_eq!(run(&mut envelope, 30, 8.0, 0.0), Watts(8.0));
        let rising = run(&mut envelope, 320, 12.0, 0.0).0;
        assert!((8.0..10.0).contains(&rising), "{rising}");
        let risen = run(&mut envelope, 600, 12.0, 0.0).0;
        assert!((11.5..=12.0).contains(&risen), "{risen}");
    }

    #[test]
    fn what_is_remembered_holds_under_load_and_follows_an_idle_machine() {
        let mut envelope = Envelope::remembering(Watts(10.0));
        assert_eq!(envelope.power(), Watts(10.0));
        assert_eq!(run(&mut envelope, 3600, 80.0, 1.0), Watts(10.0));
        assert_eq!(run(&mut envelope, 30, 8.0, 1.0), Watts(8.0), "nothing draws less than its static power");

        let mut envelope = Envelope::remembering(Watts(10.0));
        assert_eq!(run(&mut envelope, 5, 9.0, 0.0), Watts(9.0));
        let rising = run(&mut envelope, 320, 12.0, 0.0).0;
        assert!((9.0..11.0).contains(&rising), "{rising}");
        assert_eq!(envelope.idle_static_power(), Some(Watts(rising)));
    }

    #[test]
    fn only_what_an_idle_machine_has_shown_is_worth_remembering() {
        let mut envelope = Envelope::default();
        run(&mut envelope, 30, 30.0, 0.25);
        assert_eq!(envelope.idle_static_power(), None);
        run(&mut envelope, 30, 10.0, 0.01);
        let is_near =
            |found: Option<Watts>, expected: f64| found.is_some_and(|found| (found.0 - expected).abs() < 1e-3);
        assert!(is_near(envelope.idle_static_power(), 9.9) && is_near(envelope.idle_power(), 10.0), "{envelope:?}");
    }

    #[test]
    fn the_first_windows_count_before_a_sample_is_complete() {
        let mut envelope = Envelope::default();
        assert_eq!(envelope.power(), Watts(0.0));
        envelope.observe(Microjoules(1_000_000), Nanoseconds::from_millis(100), Load { busy: 1e8, idle: 3e8 });
        assert_eq!(envelope.power(), Watts(7.5));
    }
}
