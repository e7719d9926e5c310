//! How sure it is what each cgroup has drawn.

use smallvec::SmallVec;

use crate::activity::{CgroupId, ConsumerId};
use crate::units::Nanoseconds;

use super::power_model::{Drawn, OTHERS, PowerModel, SHARED_AT, STATIC};
use super::work::Work;

/// How far a group's weight is from the common one, relative (one sigma): the same CPU time can mean 50 % different energy
/// (Wattmeter, `HotCarbon` 2024).
pub(super) const WEIGHT_DEVIATION: f64 = 0.4;
/// How far static power is off that was not learned with a model, relative.
const STATIC_DEVIATION: f64 = 0.1;
/// What no model of this form can tell (clocks, temperature, shared caches), relative: as `bench accuracy` finds it.
const FORM_DEVIATION: f64 = 0.01;

/// Variances of an energy, square microjoules.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Doubt {
    /// Of what is off in the same way in one window and the next, as a weight is. Its root adds up over windows.
    pub systematic: f64,
    /// Of what is off in each window by itself.
    pub random: f64,
}

/// How much a cgroup's power follows from the coefficient at a place.
type Feature = (CgroupId, usize, f64);

/// What a model says of a window: see [`Doubts::add`].
#[derive(Debug)]
pub(super) struct Term {
    /// In order.
    features: Vec<Feature>,
    /// From which coefficients static power follows: by place, and how much.
    fixed: SmallVec<[(usize, f64); 2]>,
}

impl Term {
    pub(super) fn of(model: &PowerModel, work: &Work) -> Self {
        let mut features = Vec::new();
        for slice in &work.slices {
            model.each_feature(work, slice, |place, much| features.push((slice.consumer.cgroup, place, much)));
        }
        Self { features: added_up(features), fixed: SmallVec::from_slice(&[(STATIC, 1.0)]) }
    }

    /// Takes in what is drawn in a package, whose power this zone's follows.
    pub(super) fn follow(&mut self, package: &Self, model: &PowerModel) {
        let drawn = |(cgroup, place, much): &Feature| (*cgroup, SHARED_AT, model.coefficients[*place] * much);
        self.features.extend(package.features.iter().map(drawn));
        self.features = added_up(std::mem::take(&mut self.features));
        self.fixed.push((SHARED_AT, model.static_power().0));
    }
}

/// In order, and each cgroup and place once.
fn added_up(mut features: Vec<Feature>) -> Vec<Feature> {
    features.sort_by_key(|(cgroup, place, _)| (*cgroup, *place));
    features.dedup_by(|next, kept| {
        let same = (next.0, next.1) == (kept.0, kept.1);
        kept.2 += if same { next.2 } else { 0.0 };
        same
    });
    features
}

/// Adds up how sure the shares of a window's energy are.
///
/// A cgroup's energy is `(E - t s) d / Σd`, with E what was measured over the time t, s static power and d what cgroups have
/// drawn by the model, all of which follow from its coefficients. The variance is `g' C g` with C their covariance, and g the
/// gradient by them: `-t d/Σd s' + D/Σd (d' - d/Σd Σd')`, D being what is above static.
#[derive(Debug)]
pub(super) struct Doubts {
    cgroups: Vec<(CgroupId, f64, Doubt)>,
    whole: f64,
    dynamic: f64,
    time: f64,
}

impl Doubts {
    pub(super) fn new(drawn: &Drawn, dynamic: f64, time: Nanoseconds) -> Self {
        let by_cgroup = drawn.consumers.iter().zip(&drawn.drawn).map(|(consumer, drawn)| (consumer.cgroup, 0, *drawn));
        let cgroups = added_up(by_cgroup.collect());
        let whole: f64 = cgroups.iter().map(|(_, _, drawn)| drawn).sum();
        let cgroups = cgroups.into_iter().map(|(cgroup, _, drawn)| (cgroup, drawn, Doubt::default())).collect();
        // A watt for a nanosecond is a thousandth of a microjoule.
        Self { cgroups, whole, dynamic, time: time.0 as f64 / 1e3 }
    }

    /// Takes in the doubts of a model's coefficients, of which `factor` counts here.
    pub(super) fn add(&mut self, term: &Term, model: &PowerModel, factor: f64) {
        if self.whole <= 0.0 {
            return;
        }
        let scale = self.dynamic / self.whole;
        let mut common = vec![0.0; model.coefficients.len()];
        for (place, much) in &term.fixed {
            common[*place] += self.time * much;
        }
        for (_, place, much) in &term.features {
            common[*place] += scale * much;
        }
        let against: Vec<f64> = model.covariance.iter().map(|row| dot(row, &common)).collect();
        let of_common = dot(&against, &common);
        let mut features = &term.features[..];
        for (cgroup, drawn, doubt) in &mut self.cgroups {
            let share = *drawn / self.whole;
            let (mine, others) = features.split_at(features.iter().take_while(|(of, ..)| of == cgroup).count());
            features = others;
            let mut variance = share * share * of_common;
            for (_, place, much) in mine {
                let row = &model.covariance[*place];
                let together: f64 = mine.iter().map(|(_, other, too)| row[*other] * too).sum();
                variance += scale * much * (scale * together - 2.0 * share * against[*place]);
                if OTHERS.contains(place) {
                    // One of those that have no weight of their own.
                    let off = WEIGHT_DEVIATION * model.coefficients[*place] * much * scale * (1.0 - share);
                    variance += off * off;
                }
            }
            doubt.systematic += factor * factor * variance.max(0.0);
        }
    }

    /// What came of it. The power of each cgroup in a window is off its mean by `unsteadiness`, relative.
    pub(super) fn end(mut self, unsteadiness: f64) -> DoubtsByCgroup {
        let (whole, dynamic) = (self.whole, self.dynamic);
        if whole > 0.0 {
            let squares: f64 = self.cgroups.iter().map(|(_, drawn, _)| (drawn / whole).powi(2)).sum();
            for (_, drawn, doubt) in &mut self.cgroups {
                let share = *drawn / whole;
                doubt.systematic += (FORM_DEVIATION * dynamic * share).powi(2);
                doubt.random += (unsteadiness * dynamic * share).powi(2) * apart(share, squares);
            }
        }
        DoubtsByCgroup(self.cgroups)
    }
}

/// How sure it is what each cgroup has used; in order, with what each has drawn.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DoubtsByCgroup(Vec<(CgroupId, f64, Doubt)>);

impl DoubtsByCgroup {
    /// How sure it is what one of its consumers has used, which has `drawn` so much. What is wrong with a cgroup is wrong with
    /// all that is in it.
    pub fn of(&self, consumer: &ConsumerId, drawn: f64) -> Doubt {
        let place = self.0.binary_search_by_key(&consumer.cgroup, |(cgroup, ..)| *cgroup);
        place.map_or(Doubt::default(), |place| {
            let (_, whole, Doubt { systematic, random }) = self.0[place];
            let part = if whole > 0.0 { (drawn / whole).powi(2) } else { 0.0 };
            Doubt { systematic: systematic * part, random: random * part }
        })
    }
}

/// How sure shares by CPU time are, of which nothing was learned: each cgroup's energy for it is off by
/// [`WEIGHT_DEVIATION`], and static power by 10 %.
pub fn doubts_of_cpu_time(drawn: &Drawn, dynamic: f64, static_energy: f64) -> DoubtsByCgroup {
    let mut doubts = Doubts::new(drawn, dynamic, Nanoseconds::ZERO);
    let whole = doubts.whole.max(f64::MIN_POSITIVE);
    let squares: f64 = doubts.cgroups.iter().map(|(_, drawn, _)| (drawn / whole).powi(2)).sum();
    for (_, drawn, doubt) in &mut doubts.cgroups {
        let share = *drawn / whole;
        let by_weights = (WEIGHT_DEVIATION * dynamic * share).powi(2) * apart(share, squares);
        doubt.systematic = by_weights + (STATIC_DEVIATION * static_energy * share).powi(2);
    }
    DoubtsByCgroup(doubts.cgroups)
}

/// The variance of a share, relative to it, where all parts are off by 1 independently, and have these squares in sum.
fn apart(share: f64, squares: f64) -> f64 {
    (1.0 - share).powi(2) + squares - share * share
}

fn dot(left: &[f64], right: &[f64]) -> f64 {
    left.iter().zip(right).map(|(left, right)| left * right).sum()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rustc_hash::FxHashMap;

    use super::*;
    use crate::activity::{ActivityWindow, Counts, WorkKind};
    use crate::fuse::fixtures::window;
    use crate::fuse::power_model::FIXED;
    use crate::fuse::work::Group;

    /// Energy that was measured in 100 ms, microjoules.
    const MEASURED: f64 = 2_000_000.0;
    /// Static power, what all share, others, what is counted on big and on small cores, and two groups.
    const OF_PACKAGE: [f64; FIXED + 2] = [4.0, 2.0, 1.5, 6.0, 2.0, 0.5, 1.5, 1.0, 0.0, 0.0, 0.0, 9.0, 5.0];

    fn model(coefficients: &[f64]) -> PowerModel {
        let group = |cgroup: u64| Group { kind: WorkKind::Cgroup(CgroupId(cgroup)), small: false };
        let places = FxHashMap::from_iter([(group(1), FIXED), (group(2), FIXED + 1)]);
        let size = coefficients.len();
        // Not independent of each other, as coefficients never are.
        let covariance = |row: usize, column: usize| if row == column { 0.04 } else { -0.002 };
        let row = |row: usize| (0..size).map(|column| covariance(row, column)).collect();
        let covariance = (0..size).map(row).collect();
        PowerModel { coefficients: coefficients.to_vec(), covariance, places, ..PowerModel::default() }
    }

    fn window_of_three() -> ActivityWindow {
        let ms = 1_000_000;
        let counts = [(200, 300), (50, 20), (100, 400)]
            .map(|(cycles, instructions)| Counts { cycles: cycles * ms, instructions: instructions * ms });
        let window = window(0, 100 * ms, &[(1, 0, 60 * ms), (2, 0, 30 * ms), (2, 1, 50 * ms)]);
        ActivityWindow { counts: counts.to_vec(), ..window }
    }

    /// What each cgroup has of what was measured, by a model.
    fn shares(model: &PowerModel, window: &ActivityWindow) -> Vec<f64> {
        let (drawn, _) = model.shares(window, None, 0.0).expect("somebody ran");
        let dynamic = MEASURED - model.static_power().0 * window.length().0 as f64 / 1e3;
        let whole: f64 = drawn.drawn.iter().sum();
        drawn.drawn.iter().map(|drawn| dynamic * drawn / whole).collect()
    }

    fn doubts(model: &PowerModel, window: &ActivityWindow) -> DoubtsByCgroup {
        let dynamic = shares(model, window).iter().sum();
        model.shares(window, None, dynamic).expect("somebody ran").1
    }

    /// `g' C g`, with the gradient by differences.
    fn by_differences(vary: impl Fn(usize, f64) -> Vec<f64>, covariance: &[Vec<f64>], share: usize) -> f64 {
        const STEP: f64 = 1e-5;
        let slope = |place: usize| (vary(place, STEP)[share] - vary(place, -STEP)[share]) / (2.0 * STEP);
        let gradient: Vec<f64> = (0..covariance.len()).map(slope).collect();
        covariance.iter().zip(&gradient).map(|(row, slope)| slope * dot(row, &gradient)).sum()
    }

    fn is_near(found: f64, expected: f64) -> bool {
        (found - expected).abs() <= 1e-4 * expected
    }

    #[test]
    fn the_variance_of_a_share_is_that_of_the_coefficients_it_follows_from() {
        let (window, coefficients) = (window_of_three(), OF_PACKAGE);
        let of = model(&coefficients);
        let active = shares(&of, &window);
        let doubts = doubts(&of, &window);
        let vary = |place: usize, by: f64| {
            let mut varied = coefficients;
            varied[place] += by;
            shares(&model(&varied), &window)
        };
        for (share, cgroup) in [1, 2].into_iter().enumerate() {
            let expected = by_differences(vary, &of.covariance, share) + (FORM_DEVIATION * active[share]).powi(2);
            let found = doubts.0.iter().find(|(of, ..)| *of == CgroupId(cgroup)).expect("it ran").2;
            assert!(is_near(found.systematic, expected), "{found:?} is not {expected} for {cgroup}");
        }
    }

    #[test]
    fn a_machine_is_as_unsure_as_its_packages_and_what_they_go_on_with() {
        let (window, of_package) = (window_of_three(), OF_PACKAGE);
        let mut of_node = [0.0; FIXED + 2];
        (of_node[STATIC], of_node[SHARED_AT], of_node[FIXED], of_node[FIXED + 1]) = (7.0, 1.2, 0.5, 0.8);
        let node = |own: &[f64], package: &[f64]| {
            let packages = vec![(0, Arc::new(model(package))), (1, Arc::new(model(&of_package)))];
            PowerModel { packages, ..model(own) }
        };
        let of = node(&of_node, &of_package);
        let active = shares(&of, &window);
        let doubts = doubts(&of, &window);
        let own = |place: usize, by: f64| {
            let mut varied = of_node;
            varied[place] += by;
            shares(&node(&varied, &of_package), &window)
        };
        let first = |place: usize, by: f64| {
            let mut varied = of_package;
            varied[place] += by;
            shares(&node(&of_node, &varied), &window)
        };
        let second = |place: usize, by: f64| {
            let mut varied = of_package;
            varied[place] += by;
            let packages = vec![(0, Arc::new(model(&of_package))), (1, Arc::new(model(&varied)))];
            shares(&PowerModel { packages, ..model(&of_node) }, &window)
        };
        for (share, cgroup) in [1, 2].into_iter().enumerate() {
            let covariance = &model(&of_package).covariance;
            let expected = by_differences(own, covariance, share)
                + by_differences(first, covariance, share)
                + by_differences(second, covariance, share)
                + (FORM_DEVIATION * active[share]).powi(2);
            let found = doubts.0.iter().find(|(of, ..)| *of == CgroupId(cgroup)).expect("it ran").2;
            assert!(is_near(found.systematic, expected), "{found:?} is not {expected} for {cgroup}");
        }
    }

    #[test]
    fn who_runs_alone_is_as_sure_as_what_is_above_static_power() {
        let ms = 1_000_000;
        let alone = window(0, 100 * ms, &[(1, 0, 60 * ms)]);
        let drawn = Drawn { consumers: vec![crate::fuse::fixtures::consumer(1)], drawn: vec![1.0] };
        let found = doubts_of_cpu_time(&drawn, 1_000.0, 500.0).of(&drawn.consumers[0], 1.0);
        assert!(is_near(found.systematic, (STATIC_DEVIATION * 500.0).powi(2)), "{found:?}");
        let of = model(&OF_PACKAGE);
        let doubt = doubts(&of, &alone).of(&drawn.consumers[0], 0.0);
        assert_eq!(doubt, Doubt::default(), "none of its energy");
    }
}
