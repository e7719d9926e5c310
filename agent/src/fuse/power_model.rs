//! What a zone draws, as learned: static power, what all share, and what each group's work takes.

use std::sync::Arc;

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use crate::activity::{ActivityWindow, ConsumerId};
use crate::units::Watts;

use super::doubt::{Doubts, DoubtsByCgroup, Term};
use super::drive::Drive;
use super::meter_state::Supply;
use super::shared;
use super::work::{COUNTED, Group, SHARED, Work, WorkSlice};

/// Places of the coefficients that are always there: static power, what all share, the work of groups without a place of
/// their own, on big and on small cores, and what is counted there.
pub(super) const STATIC: usize = 0;
pub(super) const SHARED_AT: usize = 1;
pub(super) const OTHERS: [usize; 2] = [SHARED_AT + SHARED, SHARED_AT + SHARED + 1];
pub(super) const COUNTED_AT: [usize; 2] = [OTHERS[1] + 1, OTHERS[1] + 1 + COUNTED];
pub(super) const FIXED: usize = COUNTED_AT[1] + COUNTED;

/// Packages and their memory, each with its own model.
pub(super) type ModelsByPackage = Vec<(u32, Arc<PowerModel>)>;

/// A learned model of a zone's power.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PowerModel {
    /// By place: watts; of a busy CPU for groups.
    pub(super) coefficients: Vec<f64>,
    /// Of the coefficients, watts².
    pub(super) covariance: Vec<Vec<f64>>,
    pub(super) places: FxHashMap<Group, usize>,
    /// How far a group's power in a window is off its mean, relative, one sigma.
    pub(super) unsteadiness: f64,
    /// Packages whose energy this zone's follows. What all share is then their power, and the first of
    /// its coefficients says how much of this zone's each watt takes.
    #[serde(with = "shared::by_number")]
    pub(super) packages: ModelsByPackage,
}

/// Who ran, and what each has drawn.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Drawn {
    /// Each once.
    pub consumers: Vec<ConsumerId>,
    /// What each has drawn above static power, in any unit.
    pub drawn: Vec<f64>,
}

impl Drawn {
    /// Adds what a consumer has drawn; what it has drawn in all follows each other.
    pub fn add(&mut self, consumer: ConsumerId, drawn: f64) {
        match (self.consumers.last(), self.drawn.last_mut()) {
            (Some(last), Some(sum)) if *last == consumer => *sum += drawn,
            _ => {
                self.consumers.push(consumer);
                self.drawn.push(drawn);
            }
        }
    }
}

impl PowerModel {
    /// Whether its parts fit together: it may have been written by somebody else.
    pub(super) fn is_sound(&self) -> bool {
        let count = self.coefficients.len();
        count >= FIXED
            && self.covariance.len() == count
            && self.covariance.iter().all(|row| row.len() == count)
            && self.places.values().all(|place| (FIXED..count).contains(place))
            && self.packages.iter().all(|(_, model)| model.packages.is_empty() && model.is_sound())
    }

    /// Power with nothing running.
    pub(super) fn static_power(&self) -> Watts {
        Watts(self.coefficients[STATIC] + self.gain() * self.packages_static())
    }

    /// What is drawn above that, watts times nanoseconds; where packages are measured by themselves, beside what they draw.
    pub(super) fn by_activity(&self, drive: &Drive) -> f64 {
        let of_groups: f64 = drive.groups.iter().map(|(group, worked)| self.weight(*group) * worked).sum();
        if self.follows_packages() {
            return of_groups;
        }
        let dot = |at: usize, driven: &[f64]| -> f64 {
            self.coefficients[at..].iter().zip(driven).map(|(power, driven)| power * driven).sum()
        };
        let counted = COUNTED_AT.iter().zip(&drive.counted).map(|(at, counted)| dot(*at, counted)).sum::<f64>();
        of_groups + dot(SHARED_AT, &drive.awake) + counted
    }

    /// How much of this zone's power each watt of the packages takes, where it follows from theirs; else zero.
    pub(super) fn gain(&self) -> f64 {
        if self.packages.is_empty() { 0.0 } else { self.coefficients[SHARED_AT] }
    }

    /// How this zone's power follows from that of its packages.
    pub(super) fn supply(&self) -> Option<Supply> {
        let sigma = |place: usize| self.covariance[place][place].max(0.0).sqrt();
        (!self.packages.is_empty()).then(|| Supply {
            gain: self.gain(),
            gain_sigma: sigma(SHARED_AT),
            offset: Watts(self.coefficients[STATIC]),
            offset_sigma: Watts(sigma(STATIC)),
        })
    }

    /// Whether it says how the power of packages that are measured goes on in this zone's.
    pub(super) fn follows_packages(&self) -> bool {
        !self.packages.is_empty()
    }

    /// Such a model for what the zone draws beside its packages.
    pub(super) fn beside_packages(&self) -> Self {
        let mut beside = self.clone();
        beside.coefficients[SHARED_AT] = (beside.coefficients[SHARED_AT] - 1.0).max(0.0);
        beside
    }

    /// The power that it foretells, watts, where this was driven over so many nanoseconds and packages drew `of_packages`.
    pub(super) fn foretold(&self, drives: &[(Arc<Drive>, f64)], of_packages: f64, nanoseconds: f64) -> f64 {
        let by_activity: f64 = drives.iter().map(|(drive, part)| self.by_activity(drive) * part).sum();
        self.coefficients[STATIC] + self.gain() * of_packages + by_activity / nanoseconds
    }

    /// Static power of the packages.
    pub(super) fn packages_static(&self) -> f64 {
        self.packages.iter().map(|(_, model)| model.static_power().0).sum()
    }

    /// Who ran in a package (in all for `None`), each once, and what each has drawn above static power; and how sure it is what
    /// each cgroup has of the `dynamic` microjoules that were drawn above static power. What all share is shared by CPU time.
    /// `None` where by this model nobody has drawn anything.
    pub fn shares(
        &self,
        window: &ActivityWindow,
        package: Option<u32>,
        dynamic: f64,
    ) -> Option<(Drawn, DoubtsByCgroup)> {
        let own = Work::of(window, package);
        let of_packages: Vec<Work> = self.packages.iter().map(|(of, _)| Work::of(window, Some(*of))).collect();
        let packages = || of_packages.iter().zip(self.packages.iter().map(|(_, model)| &**model));
        let drawn = self.drawn(&own, packages());
        let is_of_use = (f64::MIN_POSITIVE..f64::INFINITY).contains(&drawn.drawn.iter().sum());
        is_of_use.then(|| {
            let mut doubts = Doubts::new(&drawn, dynamic, window.length());
            let mut term = Term::of(self, &own);
            for (work, model) in packages() {
                let there = Term::of(model, work);
                term.follow(&there, model);
                doubts.add(&there, model, self.gain());
            }
            doubts.add(&term, self, 1.0);
            let doubts = doubts.end(self.unsteadiness);
            (drawn, doubts)
        })
    }

    fn drawn<'a>(&self, own: &Work, packages: impl Iterator<Item = (&'a Work, &'a Self)>) -> Drawn {
        let mut drawn = self.drawn_here(own);
        for (work, model) in packages {
            let there = model.drawn_here(work);
            let mut place = 0;
            // Both are in the window's order.
            for (consumer, power) in there.consumers.iter().zip(there.drawn) {
                while drawn.consumers.get(place).is_some_and(|here| here != consumer) {
                    place += 1;
                }
                if let Some(sum) = drawn.drawn.get_mut(place) {
                    *sum += self.gain() * power;
                }
            }
        }
        drawn
    }

    fn drawn_here(&self, work: &Work) -> Drawn {
        let mut out = Drawn::default();
        for slice in &work.slices {
            let mut power = 0.0;
            self.each_feature(work, slice, |place, much| power += self.coefficients[place] * much);
            out.add(slice.consumer, power);
        }
        out
    }

    /// From which coefficients it follows what a slice has drawn: by place, and how much.
    pub(super) fn each_feature(&self, work: &Work, slice: &WorkSlice, mut takes: impl FnMut(usize, f64)) {
        takes(self.place(slice.group), slice.worked);
        if self.follows_packages() {
            return;
        }
        let part = slice.cpu_time / work.cpu_time;
        let shared = (SHARED_AT..).zip(work.awake).map(|(place, awake)| (place, awake * part));
        let counted = (COUNTED_AT[usize::from(slice.group.small)]..).zip(slice.counted);
        for (place, much) in shared.chain(counted).filter(|(_, much)| *much > 0.0) {
            takes(place, much);
        }
    }

    pub(super) fn weight(&self, group: Group) -> f64 {
        self.coefficients[self.place(group)]
    }

    pub(super) fn place(&self, group: Group) -> usize {
        self.places.get(&group).copied().unwrap_or(OTHERS[usize::from(group.small)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::activity::{CgroupId, WorkKind, WorkKinds};
    use crate::fuse::fixtures::{consumer, window};

    fn group(cgroup: u64) -> Group {
        Group { kind: WorkKind::Cgroup(CgroupId(cgroup)), small: false }
    }

    /// Of the cgroups 1 and 2, and others.
    fn model() -> PowerModel {
        let mut coefficients = vec![3.0, 2.0, 0.0, 6.0, 1.0];
        coefficients.resize(FIXED, 0.0);
        coefficients.extend([10.0, 4.0]);
        let places = FxHashMap::from_iter([(group(1), FIXED), (group(2), FIXED + 1)]);
        let size = coefficients.len();
        PowerModel { covariance: vec![vec![0.0; size]; size], coefficients, places, ..PowerModel::default() }
    }

    fn drawn(model: &PowerModel, window: &ActivityWindow, package: Option<u32>) -> Drawn {
        model.shares(window, package, 1.0).expect("somebody ran").0
    }

    #[test]
    fn each_has_drawn_by_its_weight_and_its_part_of_what_all_share() {
        // Two packages, a CPU each; the third process is in a cgroup without a weight of its own.
        let window = window(0, 100, &[(1, 0, 50), (2, 0, 50), (2, 1, 20), (3, 1, 60)]);
        let Drawn { consumers, drawn } = self::drawn(&model(), &window, Some(0));
        assert_eq!(consumers, [consumer(1), consumer(2)]);
        assert_eq!(drawn, [500.0 + 100.0, 200.0 + 100.0]);
        let Drawn { consumers, drawn } = self::drawn(&model(), &window, None);
        assert_eq!(consumers, [1, 2, 3].map(consumer));
        let dynamic = model().by_activity(&Drive::of(&Work::of(&window, None)));
        assert!((drawn.iter().sum::<f64>() - dynamic).abs() < 1e-9, "{drawn:?} is not {dynamic}");
        assert!(drawn[2] > 6.0 * 60.0);
    }

    #[test]
    fn what_is_drawn_of_packages_is_drawn_of_the_machine_with_their_gain() {
        let window = window(0, 100, &[(1, 0, 50), (2, 0, 50), (2, 1, 20)]);
        let packages = vec![(0, Arc::new(model())), (1, Arc::new(model()))];
        let mut coefficients = vec![8.0, 1.5];
        coefficients.resize(FIXED, 0.0);
        coefficients.push(1.0);
        let covariance = vec![vec![0.0; FIXED + 1]; FIXED + 1];
        let places = FxHashMap::from_iter([(group(2), FIXED)]);
        let node = PowerModel { coefficients, covariance, places, packages, ..PowerModel::default() };
        assert_eq!(node.static_power(), Watts(8.0 + 1.5 * 6.0));
        // The second package is awake for a fifth of the time, at 2 W.
        let Drawn { consumers, drawn } = self::drawn(&node, &window, None);
        assert_eq!(consumers, [consumer(1), consumer(2)]);
        assert_eq!(drawn, [1.5 * 600.0, 1.5 * (300.0 + 80.0 + 40.0) + 70.0]);
        let beside = node.beside_packages();
        assert_eq!((beside.gain(), beside.static_power()), (0.5, Watts(8.0 + 0.5 * 6.0)));
    }

    #[test]
    fn a_new_cgroup_of_a_function_has_its_weight_at_once() {
        let mut model = model();
        model.places.insert(Group { kind: WorkKind::Function(9), small: false }, FIXED);
        let mut kinds = WorkKinds::default();
        kinds.insert(CgroupId(5), WorkKind::Function(9));
        let new = |kinds: WorkKinds| ActivityWindow { kinds: Arc::new(kinds), ..window(0, 100, &[(5, 0, 100)]) };
        let drawn = |kinds: WorkKinds| self::drawn(&model, &new(kinds), Some(0)).drawn[0];
        let more = drawn(kinds) - drawn(WorkKinds::default());
        assert!((more - (10.0 - 6.0) * 100.0).abs() < 1e-9, "{more}");
    }
}
