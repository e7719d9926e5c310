//! Learns a zone's power from how it moves as the mix of what runs moves.
//!
//! Power over an interval is taken to be
//! ```text
//! P = static + awake × (part of the time that packages were awake) + Σ weight(g) × (busy CPUs of group g) + error
//! ```
//! with nothing negative. The coefficients are those of least squares over what was seen, of which each part counts for less
//! the older it is (recursive least squares with exponential forgetting), with a prior: a group's weight is near the common
//! one until its own data say more, the more so the noisier they are (ridge regression). The common weights are those of the
//! same model with one weight for all. What `awake` takes is drawn from a prior around zero: on a machine that never sleeps
//! it cannot be told from static power.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::units::{Microjoules, Nanoseconds};

use super::drive::{Drive, Group};
use super::least_squares::non_negative;
use super::power_model::PowerModel;

/// The shortest time that is one observation: over less, the moments at which counters are updated are most of the noise.
const SHORTEST: Nanoseconds = Nanoseconds(100_000_000);
/// After this time what was seen counts for 1/e.
const MEMORY: Nanoseconds = Nanoseconds(300 * Nanoseconds::SECOND.0);
/// How often the coefficients are reckoned anew.
const RECKON_EVERY: Nanoseconds = Nanoseconds::SECOND;
/// How much has to be seen before the model is used.
const LEARNT_AFTER: Nanoseconds = Nanoseconds(10 * Nanoseconds::SECOND.0);
const LEAST_OBSERVATIONS: u32 = 10;
/// How many groups have a weight of their own; the others have the common one.
const MOST_GROUPS: usize = 64;
/// How long a group has to be idle until another may take its place.
const IDLE_FOR: Nanoseconds = Nanoseconds(60 * Nanoseconds::SECOND.0);
/// How far a group's weight is from the common one, relative (one sigma): the same CPU time can mean 50 % different energy
/// (Wattmeter, `HotCarbon` 2024).
const WEIGHT_DEVIATION: f64 = 0.4;
/// The same for what it takes to be awake, in parts of what a busy CPU takes.
const AWAKE_DEVIATION: f64 = 0.5;

/// Places of the coefficients that are always there: static, awake, and the work of groups without a weight of their own.
const STATIC: usize = 0;
const AWAKE: usize = 1;
const OTHERS: [usize; 2] = [2, 3];
const FIXED: usize = 4;

/// See the module.
#[derive(Debug)]
pub(super) struct Learner {
    gathered: Row,
    energy: Microjoules,
    time: Nanoseconds,
    places: FxHashMap<Group, usize>,
    /// By place: as of how much that was seen the group was last busy.
    busy: Vec<Nanoseconds>,
    /// Sums of products of what was seen, each times its weight; and with the power.
    products: Vec<Vec<f64>>,
    with_power: Vec<f64>,
    power_squared: f64,
    /// What an observation counts now: it grows, instead of all others getting less.
    weight: f64,
    sum_of_weights: f64,
    observations: u32,
    seen: Nanoseconds,
    since_reckoned: Nanoseconds,
    model: Option<Arc<PowerModel>>,
}

/// What drove the zone, by place.
type Row = FxHashMap<usize, f64>;

impl Default for Learner {
    fn default() -> Self {
        Self {
            gathered: Row::default(),
            energy: Microjoules::ZERO,
            time: Nanoseconds::ZERO,
            places: FxHashMap::default(),
            busy: vec![Nanoseconds::ZERO; FIXED],
            products: vec![vec![0.0; FIXED]; FIXED],
            with_power: vec![0.0; FIXED],
            power_squared: 0.0,
            weight: 1.0,
            sum_of_weights: 0.0,
            observations: 0,
            seen: Nanoseconds::ZERO,
            since_reckoned: Nanoseconds::ZERO,
            model: None,
        }
    }
}

impl Learner {
    /// Takes what was used over a time, and what drove it: parts of windows.
    pub(super) fn observe(&mut self, energy: Microjoules, time: Nanoseconds, drives: &[(Arc<Drive>, f64)]) {
        for (drive, part) in drives {
            *self.gathered.entry(AWAKE).or_default() += drive.awake * part;
            for (group, worked) in &drive.groups {
                let place = self.place(*group);
                *self.gathered.entry(place).or_default() += worked * part;
            }
        }
        self.energy += energy;
        self.time += time;
        if self.time >= SHORTEST {
            self.learn();
        }
    }

    /// Forgets what is being gathered: a stretch follows of which it is not known who ran.
    pub(super) fn interrupt(&mut self) {
        self.gathered.clear();
        (self.energy, self.time) = (Microjoules::ZERO, Nanoseconds::ZERO);
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
        for row in &mut self.products {
            row.push(0.0);
        }
        self.products.push(vec![0.0; place + 1]);
        self.with_power.push(0.0);
        place
    }

    /// Frees the place of the group that has been idle for longest, if that is long. What was seen of it counts with that of
    /// the groups that have no place.
    fn vacate(&mut self) -> Option<usize> {
        let (group, place) =
            self.places.iter().map(|(group, place)| (*group, *place)).min_by_key(|it| (self.busy[it.1], it.1))?;
        if self.seen.saturating_sub(self.busy[place]) < IDLE_FOR {
            return None;
        }
        self.places.remove(&group);
        let others = OTHERS[usize::from(group.small)];
        // The row, and then the column, as if both groups had been one.
        let row = std::mem::replace(&mut self.products[place], vec![0.0; self.busy.len()]);
        for (sum, product) in self.products[others].iter_mut().zip(&row) {
            *sum += product;
        }
        for row in &mut self.products {
            row[others] += std::mem::take(&mut row[place]);
        }
        self.with_power[others] += std::mem::take(&mut self.with_power[place]);
        Some(place)
    }

    fn learn(&mut self) {
        let time = self.time.0 as f64;
        // A microjoule in a nanosecond is a kilowatt.
        let power = self.energy.0 as f64 * 1e3 / time;
        let mut row: Vec<(usize, f64)> = self.gathered.drain().map(|(place, driven)| (place, driven / time)).collect();
        row.push((STATIC, 1.0));
        self.weight *= (time / MEMORY.0 as f64).exp();
        for (place, driven) in &row {
            self.busy[*place] = self.seen;
            for (other, driven_too) in &row {
                self.products[*place][*other] += self.weight * driven * driven_too;
            }
            self.with_power[*place] += self.weight * driven * power;
        }
        self.power_squared += self.weight * power * power;
        self.sum_of_weights += self.weight;
        self.observations += 1;
        self.seen += self.time;
        self.since_reckoned += self.time;
        (self.energy, self.time) = (Microjoules::ZERO, Nanoseconds::ZERO);
        self.scale();
        if self.since_reckoned >= RECKON_EVERY {
            self.since_reckoned = Nanoseconds::ZERO;
            self.model = self.reckon().map(Arc::new);
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
        self.sum_of_weights *= by;
        self.weight = 1.0;
    }

    fn reckon(&self) -> Option<PowerModel> {
        if self.observations < LEAST_OBSERVATIONS || self.seen < LEARNT_AFTER {
            return None;
        }
        let (common, variance) = self.common();
        let busiest = common[OTHERS[0]].max(common[OTHERS[1]]);
        if busiest <= 0.0 {
            return None;
        }
        let mut matrix = self.products.clone();
        let mut right = self.with_power.clone();
        let mut prior = |place: usize, mean: f64, deviation: f64| {
            let strength = self.weight * variance / (deviation * deviation).max(f64::MIN_POSITIVE);
            matrix[place][place] += strength;
            right[place] += strength * mean;
        };
        prior(AWAKE, 0.0, AWAKE_DEVIATION * busiest);
        for (group, place) in &self.places {
            let mean = common[OTHERS[usize::from(group.small)]];
            prior(*place, mean, WEIGHT_DEVIATION * mean.max(0.1 * busiest));
        }
        for place in OTHERS {
            prior(place, common[place], WEIGHT_DEVIATION * common[place].max(0.1 * busiest));
        }
        let found = non_negative(&matrix, &right);
        Some(PowerModel {
            static_power: found[STATIC],
            awake: found[AWAKE],
            common: OTHERS.map(|place| common[place]),
            groups: self.places.iter().map(|(group, place)| (*group, found[*place])).collect(),
        })
    }

    /// The coefficients with one weight for all groups on each kind of core, and the variance of what they leave.
    fn common(&self) -> ([f64; FIXED], f64) {
        let mut kinds: Vec<usize> = (0..FIXED).collect();
        kinds.resize(self.products.len(), 0);
        for (group, place) in &self.places {
            kinds[*place] = OTHERS[usize::from(group.small)];
        }
        let mut matrix = vec![vec![0.0; FIXED]; FIXED];
        let mut right = vec![0.0; FIXED];
        for (row, kind) in self.products.iter().zip(&kinds) {
            for (product, other) in row.iter().zip(&kinds) {
                matrix[*kind][*other] += product;
            }
        }
        for (sum, kind) in self.with_power.iter().zip(&kinds) {
            right[*kind] += sum;
        }
        // As weak as can be: it only decides where the data do not.
        matrix[AWAKE][AWAKE] += 1e-3 * self.weight;
        let found = non_negative(&matrix, &right);
        let explained: f64 = found.iter().zip(&right).map(|(coefficient, sum)| coefficient * sum).sum();
        let variance = ((self.power_squared - explained) / self.sum_of_weights).max(0.0);
        ([found[0], found[1], found[2], found[3]], variance)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::activity::CgroupId;
    use crate::units::Watts;

    const WINDOW: Nanoseconds = Nanoseconds(100_000_000);
    const STATIC_POWER: f64 = 5.0;
    const AWAKE_POWER: f64 = 4.0;

    fn group(cgroup: u64) -> Group {
        Group { cgroup: CgroupId(cgroup), small: false }
    }

    /// Numbers without a pattern (xorshift64), 0 to 1.
    #[derive(Debug)]
    struct Random(u64);

    impl Random {
        fn next(&mut self) -> f64 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            (self.0 >> 11) as f64 / (1_u64 << 53) as f64
        }
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
            let drive = Arc::new(Drive { groups, awake: awake * length });
            learner.observe(Watts(power) * WINDOW, WINDOW, &[(drive, 1.0)]);
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
        assert!(is_near(model.static_power, STATIC_POWER, 0.05), "{model:?}");
        for (cgroup, weight) in weights {
            assert!(is_near(model.groups[&group(cgroup)], weight, 0.04), "{model:?}");
        }
        assert!(is_near(model.common[0], 7.5, 0.15), "{model:?}");
    }

    #[test]
    fn who_is_new_has_the_common_weight() {
        let (mut learner, mut random) = (Learner::default(), Random(3));
        run(&mut learner, &mut random, &[(1, 6.0), (2, 6.0)], 300);
        run(&mut learner, &mut random, &[(1, 6.0), (2, 6.0), (3, 18.0)], 10);
        let model = learner.model().expect("it is learned");
        let newcomer = model.groups[&group(3)];
        assert!((5.0..19.0).contains(&newcomer), "{model:?}");
        assert!(is_near(model.weight(group(99)), model.common[0], 1e-9));
    }

    #[test]
    fn what_changes_is_learned_anew() {
        let (mut learner, mut random) = (Learner::default(), Random(5));
        run(&mut learner, &mut random, &[(1, 12.0), (2, 4.0)], 3_000);
        run(&mut learner, &mut random, &[(1, 4.0), (2, 12.0)], 12_000);
        let model = learner.model().expect("it is learned");
        assert!(is_near(model.groups[&group(1)], 4.0, 0.1) && is_near(model.groups[&group(2)], 12.0, 0.1), "{model:?}");
    }

    #[test]
    fn groups_without_end_are_bounded() {
        let (mut learner, mut random) = (Learner::default(), Random(11));
        for first in 0..200 {
            let weights: Vec<(u64, f64)> = (0..8).map(|it| (first * 4 + it, 6.0)).collect();
            run(&mut learner, &mut random, &weights, 20);
        }
        assert_eq!((learner.places.len(), learner.products.len()), (MOST_GROUPS, FIXED + MOST_GROUPS));
        assert!(learner.products.iter().all(|row| row.len() == FIXED + MOST_GROUPS));
        let model = learner.model().expect("it is learned");
        assert!(is_near(model.common[0], 6.0, 0.05) && is_near(model.static_power, STATIC_POWER, 0.1), "{model:?}");
    }

    #[test]
    fn nothing_is_learned_from_an_idle_machine_but_that_it_is_idle() {
        let mut learner = Learner::default();
        for _ in 0..600 {
            learner.observe(Watts(5.0) * WINDOW, WINDOW, &[(Arc::new(Drive::default()), 1.0)]);
        }
        assert_eq!(learner.model(), None);
    }
}
