//! Learns a zone's power from how it moves as the mix of what runs moves.
//!
//! Power over an interval is taken to be
//! ```text
//! P = static + a1 × min(n, 1) + a2 × min(n, 2) + Σ weight(g) × (busy CPUs of group g) + Σ c × counted + error
//! ```
//! with n the busy cores, what the processor's own counters count where there are any, and nothing negative; or, for a whole machine whose packages are measured by themselves, to be
//! ```text
//! P = offset + gain × (power of the packages) + Σ beside(g) × (busy CPUs of group g) + error
//! ```
//! The coefficients are those of least squares over what was seen, of which each part counts for less the older it is
//! (recursive least squares with exponential forgetting), with a prior: a group's weight is near the common one until its own
//! data say more, the more so the noisier they are (ridge regression). The common weights are those of the same model with one
//! weight for all. The rest has priors around zero: on a machine that never sleeps a1 cannot be told from static power.
//! docs/attribution.md has the whole method.

use std::sync::Arc;

use rustc_hash::FxHashMap;
use serde::{Deserialize, Deserializer, Serialize};

use crate::units::{Microjoules, Nanoseconds, Watts};

use super::doubt::WEIGHT_DEVIATION;
use super::drive::Drive;
use super::least_squares::{non_negative, sandwich};
use super::noise::{Noise, Observed};
use super::power_model::{COUNTED_AT, FIXED, OTHERS, PowerModel, SHARED_AT, STATIC};
use super::shared;
use super::work::{COUNTED, Group, SHARED};

/// The shortest time that is one observation: over less, the moments at which counters are updated are most of the noise.
const SHORTEST: Nanoseconds = Nanoseconds(100_000_000);
/// After this time what was seen counts for 1/e.
pub(super) const MEMORY: Nanoseconds = Nanoseconds(300 * Nanoseconds::SECOND.0);
/// How often the coefficients are reckoned anew: at first, and at most; in between whenever a twentieth more was seen.
const RECKON_EVERY: std::ops::RangeInclusive<Nanoseconds> =
    Nanoseconds::SECOND..=Nanoseconds(5 * Nanoseconds::SECOND.0);
const RECKON_PART: u64 = 20;
/// How often it is reckoned anew how sure they are.
const DOUBT_EVERY: Nanoseconds = Nanoseconds(10 * Nanoseconds::SECOND.0);
/// How much has to be seen before the model is used.
const LEARNT_AFTER: Nanoseconds = Nanoseconds(10 * Nanoseconds::SECOND.0);
const LEAST_OBSERVATIONS: u32 = 10;
/// How many times as much as all that was seen something counts that is certain.
const CERTAIN: f64 = 1e4;
/// How many observations of an idle machine a remembered static power counts for.
const REMEMBERED: f64 = 100.0;
/// How many groups have a weight of their own; the others have the common one.
const MOST_GROUPS: usize = 64;
/// How long a group has to be idle until another may take its place.
const IDLE_FOR: Nanoseconds = Nanoseconds(60 * Nanoseconds::SECOND.0);
/// How far from zero it is what the first busy core takes more than the others, and what the first two do each, in parts of
/// what a busy CPU takes. The first is the nearer to zero: on a machine that hardly sleeps it is not told from static power.
const AWAKE_DEVIATIONS: [f64; SHARED] = [0.25, 1.0];
/// How far from zero it is what each of what is counted takes, in the same measure.
const COUNTED_DEVIATION: f64 = 0.5;
/// How far from zero it is what a group takes of a zone beside what the packages take for it (memory, disks, network), in
/// parts of that.
const BESIDE_DEVIATION: f64 = 0.3;

/// See the module.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Learner {
    /// What drove the zone, by place.
    gathered: Vec<f64>,
    energy: Microjoules,
    time: Nanoseconds,
    places: FxHashMap<Group, usize>,
    /// Until so much was seen none of the places will be vacant.
    full_until: Nanoseconds,
    /// By place: as of how much that was seen the group was last busy.
    busy: Vec<Nanoseconds>,
    /// Sums of products of what was seen, each times its weight, of each place with itself and those before it; and with the
    /// power.
    products: Vec<Vec<f64>>,
    with_power: Vec<f64>,
    power_squared: f64,
    /// What an observation counts now: it grows, instead of all others getting less.
    weight: f64,
    sum_of_weights: f64,
    observations: u32,
    seen: Nanoseconds,
    since_reckoned: Nanoseconds,
    since_doubted: Nanoseconds,
    noise: Noise,
    /// Static power as it was learned before; and the same until it counts among what was seen.
    remembered: Option<Watts>,
    to_recall: Option<Watts>,
    #[serde(with = "shared::option")]
    model: Option<Arc<PowerModel>>,
}

/// What a zone's power follows from, beside the work of groups.
#[derive(Clone, Copy, Debug)]
pub(super) enum Basis<'a> {
    /// Cores that are busy.
    Activity,
    /// The energy of packages, watts times nanoseconds. They are measured by themselves, and have models of their own.
    Packages(f64, &'a [(u32, Arc<PowerModel>)]),
}

impl Default for Learner {
    fn default() -> Self {
        Self {
            gathered: vec![0.0; FIXED],
            energy: Microjoules::ZERO,
            time: Nanoseconds::ZERO,
            places: FxHashMap::default(),
            full_until: Nanoseconds::ZERO,
            busy: vec![Nanoseconds::ZERO; FIXED],
            products: (0..FIXED).map(|place| vec![0.0; place + 1]).collect(),
            with_power: vec![0.0; FIXED],
            power_squared: 0.0,
            weight: 1.0,
            sum_of_weights: 0.0,
            observations: 0,
            seen: Nanoseconds::ZERO,
            since_reckoned: Nanoseconds::ZERO,
            since_doubted: DOUBT_EVERY,
            noise: Noise::default(),
            remembered: None,
            to_recall: None,
            model: None,
        }
    }
}

impl Learner {
    /// Begins as if it had seen an idle machine draw its static power, as that was learned before.
    pub(super) fn remembering(power: Watts) -> Self {
        Self { remembered: Some(power), to_recall: Some(power), ..Self::default() }
    }

    /// From what was written. Where its parts do not fit together, it has everything to learn.
    pub(super) fn sound_or_new<'de, D: Deserializer<'de>>(written: D) -> Result<Self, D::Error> {
        let written = Self::deserialize(written)?;
        Ok(if written.is_sound() { written } else { Self::default() })
    }

    fn is_sound(&self) -> bool {
        let Self { gathered, busy, products, with_power, places, model, .. } = self;
        let count = FIXED + places.len();
        [gathered.len(), busy.len(), products.len(), with_power.len()] == [count; 4]
            && (1..).zip(products).all(|(length, row)| row.len() == length)
            && places.values().all(|place| (FIXED..count).contains(place))
            && model.as_ref().is_none_or(|model| model.is_sound())
    }

    /// Counts an idle machine as seen; where packages are measured by themselves, they drew their static power then.
    fn recall(&mut self, Watts(power): Watts, basis: Basis<'_>) {
        let of_packages = match basis {
            Basis::Activity => 0.0,
            Basis::Packages(_, packages) => packages.iter().map(|(_, model)| model.static_power().0).sum(),
        };
        self.products[STATIC][STATIC] += REMEMBERED;
        self.products[SHARED_AT][STATIC] += REMEMBERED * of_packages;
        self.products[SHARED_AT][SHARED_AT] += REMEMBERED * of_packages * of_packages;
        self.with_power[STATIC] += REMEMBERED * power;
        self.with_power[SHARED_AT] += REMEMBERED * of_packages * power;
        self.power_squared += REMEMBERED * power * power;
        self.sum_of_weights += REMEMBERED;
    }

    /// Takes what was used over a time, and what drove it: parts of windows. Static power is not above `bound`.
    pub(super) fn observe(
        &mut self,
        energy: Microjoules,
        time: Nanoseconds,
        drives: &[(Arc<Drive>, f64)],
        basis: Basis<'_>,
        bound: Option<Watts>,
    ) {
        if let Some(power) = self.to_recall.take() {
            self.recall(power, basis);
        }
        for (drive, part) in drives {
            if let Basis::Activity = basis {
                let counted = COUNTED_AT.into_iter().zip(drive.counted).flat_map(|(at, of)| (at..).zip(of));
                for (place, driven) in (SHARED_AT..).zip(drive.awake).chain(counted.filter(|(_, much)| *much > 0.0)) {
                    self.gathered[place] += driven * part;
                }
            }
            for (group, worked) in &drive.groups {
                let place = self.place(*group);
                self.gathered[place] += worked * part;
            }
        }
        let packages = match basis {
            Basis::Activity => &[],
            Basis::Packages(energy, packages) => {
                self.gathered[SHARED_AT] += energy;
                packages
            }
        };
        self.energy += energy;
        self.time += time;
        if self.time >= SHORTEST {
            self.learn(packages, bound);
        }
    }

    /// Forgets what is being gathered: a stretch follows of which it is not known who ran.
    pub(super) fn interrupt(&mut self) {
        self.gathered.fill(0.0);
        (self.energy, self.time) = (Microjoules::ZERO, Nanoseconds::ZERO);
    }

    /// Begins anew, with what it knows until there is something better.
    pub(super) fn restart(&mut self) {
        let (remembered, model) = (self.remembered, self.model.take());
        *self = Self { remembered, to_recall: remembered, model, ..Self::default() };
    }

    /// What has been learned; none before there is enough.
    pub(super) fn model(&self) -> Option<&Arc<PowerModel>> {
        self.model.as_ref()
    }

    fn place(&mut self, group: Group) -> usize {
        if let Some(place) = self.places.get(&group) {
            return *place;
        }
        if self.places.len() >= MOST_GROUPS {
            let Some(place) = self.vacate() else { return OTHERS[usize::from(group.small)] };
            self.places.insert(group, place);
            return place;
        }
        let place = FIXED + self.places.len();
        self.places.insert(group, place);
        self.busy.push(self.seen);
        self.gathered.push(0.0);
        self.products.push(vec![0.0; place + 1]);
        self.with_power.push(0.0);
        place
    }

    /// Frees the place of the group that has been idle for longest, if that is long. What was seen of it counts with that of
    /// the groups that have no place.
    fn vacate(&mut self) -> Option<usize> {
        if self.seen < self.full_until {
            return None;
        }
        let (group, place) =
            self.places.iter().map(|(group, place)| (*group, *place)).min_by_key(|it| (self.busy[it.1], it.1))?;
        self.full_until = self.busy[place] + IDLE_FOR;
        if self.seen < self.full_until {
            return None;
        }
        self.places.remove(&group);
        self.noise.vacate(place);
        let others = OTHERS[usize::from(group.small)];
        // As if both groups had been one.
        for other in 0..self.busy.len() {
            let (row, column) = (place.max(other), place.min(other));
            let product = std::mem::take(&mut self.products[row][column]);
            if other == place {
                self.products[others][others] += product;
            } else if other == others {
                // Once as the row, once as the column.
                self.products[others][others] += 2.0 * product;
            } else {
                self.products[others.max(other)][others.min(other)] += product;
            }
        }
        self.with_power[others] += std::mem::take(&mut self.with_power[place]);
        self.gathered[others] += std::mem::take(&mut self.gathered[place]);
        Some(place)
    }

    fn learn(&mut self, packages: &[(u32, Arc<PowerModel>)], bound: Option<Watts>) {
        let time = self.time.0 as f64;
        // A microjoule in a nanosecond is a kilowatt.
        let power = self.energy.0 as f64 * 1e3 / time;
        let driven = self.gathered.iter_mut().map(std::mem::take).enumerate().filter(|(_, driven)| *driven != 0.0);
        let mut row = vec![(STATIC, 1.0)];
        row.extend(driven.map(|(place, driven)| (place, driven / time)));
        if let Some(model) = &self.model {
            let part =
                |(place, much): &(usize, f64)| model.coefficients.get(*place).copied().unwrap_or_default() * much;
            let foretold: f64 = row.iter().map(part).sum();
            let of_groups = if model.follows_packages() {
                (foretold - model.static_power().0).powi(2)
            } else {
                row.iter().filter(|(place, _)| *place >= OTHERS[0]).map(|it| part(it).powi(2)).sum()
            };
            let (left, weight, time) = (power - foretold, self.weight, self.time);
            self.noise.observe(Observed { left, of_groups, row: &row, weight, time });
        }
        self.weight *= (time / MEMORY.0 as f64).exp();
        for (at, (place, driven)) in row.iter().enumerate() {
            self.busy[*place] = self.seen;
            let (weighted, products) = (self.weight * driven, &mut self.products[*place]);
            for (before, driven_too) in &row[..=at] {
                products[*before] += weighted * driven_too;
            }
            self.with_power[*place] += weighted * power;
        }
        self.power_squared += self.weight * power * power;
        self.sum_of_weights += self.weight;
        self.observations += 1;
        self.seen += self.time;
        self.since_reckoned += self.time;
        self.since_doubted += self.time;
        (self.energy, self.time) = (Microjoules::ZERO, Nanoseconds::ZERO);
        self.scale();
        let is_enough = self.observations >= LEAST_OBSERVATIONS && self.seen >= LEARNT_AFTER;
        let every = Nanoseconds(self.seen.0 / RECKON_PART).clamp(*RECKON_EVERY.start(), *RECKON_EVERY.end());
        if is_enough && self.since_reckoned >= every {
            self.since_reckoned = Nanoseconds::ZERO;
            self.model = self.reckon(packages, bound).map(Arc::new);
        }
    }

    /// Keeps the weights within what a real number holds.
    fn scale(&mut self) {
        if self.weight < 1e9 {
            return;
        }
        let by = 1.0 / self.weight;
        for sum in self.products.iter_mut().flatten().chain(&mut self.with_power) {
            *sum *= by;
        }
        self.power_squared *= by;
        self.noise.scale(by);
        self.sum_of_weights *= by;
        self.weight = 1.0;
    }

    fn reckon(&mut self, packages: &[(u32, Arc<PowerModel>)], bound: Option<Watts>) -> Option<PowerModel> {
        let products = self.all_products();
        let (common, variance) = self.common(&products, packages.is_empty());
        let (priors, busiest) = if packages.is_empty() {
            let busiest = OTHERS.map(|place| common[place]).into_iter().fold(0.0, f64::max);
            (self.priors(&common, busiest), busiest)
        } else {
            let busiest = common[SHARED_AT] * typical_weight(packages);
            let beside = |place: usize| (place, 0.0, BESIDE_DEVIATION * busiest);
            (self.places.values().copied().chain(OTHERS).map(beside).collect(), busiest)
        };
        if busiest <= 0.0 {
            return None;
        }
        let mut matrix = products.clone();
        let mut right = self.with_power.clone();
        let mut strengths = vec![0.0; right.len()];
        for (place, mean, deviation) in priors {
            let strength = self.weight * variance / (deviation * deviation).max(f64::MIN_POSITIVE);
            matrix[place][place] += strength;
            right[place] += strength * mean;
            strengths[place] = strength;
        }
        let (mut coefficients, mut free) = non_negative(&matrix, &right);
        if let Some(Watts(bound)) = bound.filter(|bound| coefficients[STATIC] > bound.0) {
            // As if that had been observed, again and again.
            let strength = CERTAIN * matrix[STATIC][STATIC];
            matrix[STATIC][STATIC] += strength;
            right[STATIC] += strength * bound;
            (coefficients, free) = non_negative(&matrix, &right);
        }
        let left = self.left(&products, &coefficients);
        let covariance = match &self.model {
            Some(model) if self.since_doubted < DOUBT_EVERY && model.covariance.len() == matrix.len() => {
                model.covariance.clone()
            }
            _ => {
                self.since_doubted = Nanoseconds::ZERO;
                let mut middle = products;
                for (place, row) in middle.iter_mut().enumerate() {
                    for product in row.iter_mut() {
                        *product *= self.weight * left;
                    }
                    row[place] += self.weight * variance * strengths[place];
                }
                self.noise.add_scores(&mut middle);
                sandwich(&matrix, &middle, &free)
            }
        };
        Some(PowerModel {
            coefficients,
            covariance,
            places: self.places.clone(),
            unsteadiness: self.noise.unsteadiness(left),
            packages: packages.to_vec(),
        })
    }

    /// The products of each place with every other.
    fn all_products(&self) -> Vec<Vec<f64>> {
        let size = self.products.len();
        let product = |row: usize, column: usize| self.products[row.max(column)][row.min(column)];
        (0..size).map(|row| (0..size).map(|column| product(row, column)).collect()).collect()
    }

    /// The variance of what these coefficients leave.
    fn left(&self, products: &[Vec<f64>], coefficients: &[f64]) -> f64 {
        let dot = |row: &[f64]| row.iter().zip(coefficients).map(|(sum, coefficient)| sum * coefficient).sum::<f64>();
        let explained: f64 = products.iter().zip(coefficients).map(|(row, coefficient)| dot(row) * coefficient).sum();
        ((self.power_squared - 2.0 * dot(&self.with_power) + explained) / self.sum_of_weights).max(0.0)
    }

    /// What is known before anything was seen: by place, mean and deviation.
    fn priors(&self, common: &[f64; FIXED], busiest: f64) -> Vec<(usize, f64, f64)> {
        let near = |place: usize, kind: usize| {
            let mean = common[kind];
            (place, mean, WEIGHT_DEVIATION * mean.max(0.1 * busiest))
        };
        let shared = (SHARED_AT..).zip(AWAKE_DEVIATIONS).map(|(place, deviation)| (place, 0.0, deviation * busiest));
        let counted = COUNTED_AT.into_iter().flat_map(|at| at..at + COUNTED);
        let counted = counted.map(|place| (place, 0.0, COUNTED_DEVIATION * busiest));
        let groups = self.places.iter().map(|(group, place)| near(*place, OTHERS[usize::from(group.small)]));
        shared.chain(counted).chain(groups).chain(OTHERS.map(|place| near(place, place))).collect()
    }

    /// The coefficients with one weight for all groups on each kind of core and without what is counted, or without any for
    /// groups, and the variance of what they leave.
    fn common(&self, products: &[Vec<f64>], with_groups: bool) -> ([f64; FIXED], f64) {
        let mut kinds: Vec<usize> = (0..FIXED).collect();
        kinds.resize(products.len(), 0);
        for (group, place) in &self.places {
            kinds[*place] = OTHERS[usize::from(group.small)];
        }
        let mut matrix = vec![vec![0.0; FIXED]; FIXED];
        let mut right = vec![0.0; FIXED];
        for (row, kind) in products.iter().zip(&kinds) {
            for (product, other) in row.iter().zip(&kinds) {
                matrix[*kind][*other] += product;
            }
        }
        for (sum, kind) in self.with_power.iter().zip(&kinds) {
            right[*kind] += sum;
        }
        // As weak as can be: it only decides where the data do not.
        for (place, row) in matrix.iter_mut().enumerate().skip(SHARED_AT).take(SHARED) {
            row[place] += 1e-3 * self.weight;
        }
        // As if what is left out had never been there.
        let counted = COUNTED_AT[0]..FIXED;
        for place in counted.chain(OTHERS.into_iter().filter(|_| !with_groups)) {
            right[place] = 0.0;
            matrix[place].fill(0.0);
            for row in &mut matrix {
                row[place] = 0.0;
            }
        }
        let (found, _) = non_negative(&matrix, &right);
        let explained: f64 = found.iter().zip(&right).map(|(coefficient, sum)| coefficient * sum).sum();
        let variance = ((self.power_squared - explained) / self.sum_of_weights).max(0.0);
        (std::array::from_fn(|place| found[place]), variance)
    }
}

/// What a busy CPU takes in packages, watts.
fn typical_weight(packages: &[(u32, Arc<PowerModel>)]) -> f64 {
    let of = |(_, model): &(u32, Arc<PowerModel>)| {
        OTHERS.map(|place| model.coefficients[place]).into_iter().fold(0.0, f64::max)
    };
    packages.iter().map(of).sum::<f64>() / packages.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::activity::{CgroupId, WorkKind};
    use crate::fuse::fixtures::Random;

    const WINDOW: Nanoseconds = Nanoseconds(100_000_000);
    const STATIC_POWER: f64 = 5.0;
    const AWAKE_POWER: f64 = 4.0;

    fn group(cgroup: u64) -> Group {
        Group { kind: WorkKind::Cgroup(CgroupId(cgroup)), small: false }
    }

    /// Lets groups with these weights run for so many windows, each now and then, with 1 % of noise.
    fn run(learner: &mut Learner, random: &mut Random, weights: &[(u64, f64)], windows: usize) {
        let length = WINDOW.0 as f64;
        for _ in 0..windows {
            let busy: Vec<f64> =
                weights.iter().map(|_| if random.next() < 0.6 { random.next() } else { 0.0 }).collect();
            let awake = 1.0 - busy.iter().map(|busy| 1.0 - busy).product::<f64>();
            let work: f64 = weights.iter().zip(&busy).map(|((_, weight), busy)| weight * busy).sum();
            let power = (STATIC_POWER + AWAKE_POWER * awake + work) * (1.0 + 0.02 * (random.next() - 0.5));
            let groups = weights.iter().zip(&busy).filter(|(_, busy)| **busy > 0.0);
            let groups = groups.map(|((cgroup, _), busy)| (group(*cgroup), busy * length)).collect();
            let drive = Arc::new(Drive { groups, awake: [awake * length; SHARED], ..Drive::default() });
            learner.observe(Watts(power) * WINDOW, WINDOW, &[(drive, 1.0)], Basis::Activity, None);
        }
    }

    fn is_near(found: f64, expected: f64, part: f64) -> bool {
        (found - expected).abs() <= part * expected
    }

    #[test]
    fn weights_are_learned_within_a_minute() {
        let (mut learner, mut random) = (Learner::default(), Random(7));
        let weights = [(1, 12.0), (2, 4.0), (3, 8.0), (4, 6.0)];
        run(&mut learner, &mut random, &weights, 90);
        assert_eq!(learner.model(), None, "9 s are not enough");
        run(&mut learner, &mut random, &weights, 510);
        let model = learner.model().expect("it is learned");
        assert!(is_near(model.static_power().0, STATIC_POWER, 0.05), "{model:?}");
        for (cgroup, weight) in weights {
            assert!(is_near(model.weight(group(cgroup)), weight, 0.04), "{model:?}");
        }
        assert!(is_near(model.coefficients[OTHERS[0]], 7.5, 0.15), "{model:?}");
    }

    #[test]
    fn what_was_learned_is_written_and_goes_on_unless_it_does_not_fit_together() {
        #[derive(Serialize, Deserialize)]
        struct Written(#[serde(deserialize_with = "Learner::sound_or_new")] Learner);

        let (mut learner, mut random) = (Learner::default(), Random(5));
        run(&mut learner, &mut random, &[(1, 12.0), (2, 4.0)], 300);
        let read = |learner: &Learner| -> Learner {
            let written = postcard::to_allocvec(&Written(learner.clone())).unwrap();
            postcard::from_bytes::<Written>(&written).unwrap().0
        };
        assert!(learner.model().is_some());
        assert_eq!(read(&learner).model(), learner.model(), "with groups and a model");
        learner.products.pop();
        assert_eq!(read(&learner).model(), None);
    }

    #[test]
    fn who_is_new_has_the_common_weight() {
        let (mut learner, mut random) = (Learner::default(), Random(3));
        run(&mut learner, &mut random, &[(1, 6.0), (2, 6.0)], 300);
        run(&mut learner, &mut random, &[(1, 6.0), (2, 6.0), (3, 18.0)], 10);
        let model = learner.model().expect("it is learned");
        let newcomer = model.weight(group(3));
        assert!((5.0..19.0).contains(&newcomer), "{model:?}");
        assert!(is_near(model.weight(group(99)), model.coefficients[OTHERS[0]], 1e-9));
    }

    #[test]
    fn what_changes_is_learned_anew() {
        let (mut learner, mut random) = (Learner::default(), Random(5));
        run(&mut learner, &mut random, &[(1, 12.0), (2, 4.0)], 3_000);
        run(&mut learner, &mut random, &[(1, 4.0), (2, 12.0)], 12_000);
        let model = learner.model().expect("it is learned");
        assert!(is_near(model.weight(group(1)), 4.0, 0.1) && is_near(model.weight(group(2)), 12.0, 0.1), "{model:?}");
    }

    #[test]
    fn what_is_remembered_counts_as_seen() {
        let static_power = |mut learner: Learner| {
            for window in 0..300 {
                // The machine is never idle, and power is convex: a line through what is seen meets zero.
                let (busy, power) = if window % 2 == 0 { (0.5, 7.5) } else { (1.0, 15.0) };
                let groups = vec![(group(1), busy * WINDOW.0 as f64)];
                let drive = Arc::new(Drive { groups, ..Drive::default() });
                learner.observe(Watts(power) * WINDOW, WINDOW, &[(drive, 1.0)], Basis::Activity, None);
            }
            learner.model().expect("it is learned").static_power().0
        };
        assert!(static_power(Learner::default()) < 0.5);
        assert!((2.5..5.0).contains(&static_power(Learner::remembering(Watts(5.0)))));
        let mut restarted = Learner::remembering(Watts(5.0));
        restarted.restart();
        assert!((2.5..5.0).contains(&static_power(restarted)), "also where a meter's delay is found");
    }

    #[test]
    fn what_is_remembered_of_a_machine_goes_beside_what_its_packages_draw_when_idle() {
        let mut coefficients = vec![4.0, 0.0, 0.0, 10.0];
        coefficients.resize(FIXED, 0.0);
        let covariance = vec![vec![0.0; FIXED]; FIXED];
        let packages = [(0, Arc::new(PowerModel { coefficients, covariance, ..PowerModel::default() }))];
        let model_after = |mut learner: Learner| {
            for window in 0..200 {
                // Nothing is seen but one state, which tells of no gain.
                let (of_package, time) = (20.0, Nanoseconds(WINDOW.0 + window % 2));
                let drive = (Arc::new(Drive::default()), 1.0);
                let basis = Basis::Packages(of_package * time.0 as f64, &packages);
                learner.observe(Watts(34.0) * time, time, &[drive], basis, None);
            }
            learner.model().map(|model| model.supply().expect("it follows packages"))
        };
        // 10 W beside the package, whose every watt takes 1.2 W: 14.8 W with its 4 W of an idle machine.
        let found = model_after(Learner::remembering(Watts(14.8))).expect("it is learned");
        assert!(is_near(found.gain, 1.2, 0.02) && is_near(found.offset.0, 10.0, 0.02), "{found:?}");
    }

    #[test]
    fn groups_without_end_are_bounded() {
        let (mut learner, mut random) = (Learner::default(), Random(11));
        for first in 0..200 {
            let weights: Vec<(u64, f64)> = (0..8).map(|it| (first * 4 + it, 6.0)).collect();
            run(&mut learner, &mut random, &weights, 20);
        }
        assert_eq!((learner.places.len(), learner.products.len()), (MOST_GROUPS, FIXED + MOST_GROUPS));
        let model = learner.model().expect("it is learned");
        assert!(
            is_near(model.coefficients[OTHERS[0]], 6.0, 0.05) && is_near(model.static_power().0, STATIC_POWER, 0.1),
            "{model:?}"
        );
    }

    #[test]
    fn nothing_is_learned_from_an_idle_machine_but_that_it_is_idle() {
        let mut learner = Learner::default();
        for _ in 0..600 {
            learner.observe(Watts(5.0) * WINDOW, WINDOW, &[(Arc::new(Drive::default()), 1.0)], Basis::Activity, None);
        }
        assert_eq!(learner.model(), None);
    }
}
