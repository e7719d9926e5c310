//! What a zone draws, as learned: static power, what all share, and what each group's work takes.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::activity::{ActivityWindow, ConsumerId, Slice};
use crate::units::Watts;

use super::doubt::{Doubts, DoubtsByCgroup, Term};
use super::drive::{Drive, Group, SHARED, awake, worked};
use super::meter_state::Supply;

/// Places of the coefficients that are always there: static power, what all share, and the work of groups without a place of
/// their own, on big and on small cores.
pub(super) const STATIC: usize = 0;
pub(super) const SHARED_AT: usize = 1;
pub(super) const OTHERS: [usize; 2] = [SHARED_AT + SHARED, SHARED_AT + SHARED + 1];
pub(super) const FIXED: usize = SHARED_AT + SHARED + 2;

/// Packages and their memory, each with its own model.
pub(super) type ModelsByPackage = Vec<(u32, Arc<PowerModel>)>;

/// A learned model of a zone's power.
#[derive(Clone, Debug, Default, PartialEq)]
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
    /// Power with nothing running.
    pub(super) fn static_power(&self) -> Watts {
        Watts(self.coefficients[STATIC] + self.gain() * self.packages_static())
    }

    /// What is drawn above that, watts times nanoseconds; where packages are measured by themselves, beside what they draw.
    pub(super) fn by_activity(&self, drive: &Drive) -> f64 {
        let of_groups: f64 = drive.groups.iter().map(|(group, worked)| self.weight(*group) * worked).sum();
        if self.packages.is_empty() {
            of_groups + self.shared().iter().zip(drive.awake).map(|(power, awake)| power * awake).sum::<f64>()
        } else {
            of_groups
        }
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

    /// Who ran in a package (in all for `None`), each once, and what each has drawn above static power. What all share is
    /// shared by CPU time.
    pub fn drawn(&self, window: &ActivityWindow, package: Option<u32>) -> Drawn {
        let mut drawn = self.drawn_here(window, package);
        for (of, model) in &self.packages {
            let there = model.drawn_here(window, Some(*of));
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

    fn drawn_here(&self, window: &ActivityWindow, package: Option<u32>) -> Drawn {
        let whole: f64 = here(window, package).map(|(_, slice)| slice.cpu_time.0 as f64).sum();
        let shared: f64 = if self.packages.is_empty() {
            self.shared().iter().zip(awake(window, package)).map(|(power, awake)| power * awake).sum()
        } else {
            0.0
        };
        let worked: Vec<f64> = worked(window).collect();
        let mut out = Drawn::default();
        for (place, slice) in here(window, package) {
            let power =
                self.weight(Group::of(window, slice)) * worked[place] + shared * (slice.cpu_time.0 as f64 / whole);
            out.add(slice.consumer, power);
        }
        out
    }

    /// How sure it is what each cgroup has drawn in a window, of `dynamic` microjoules that were drawn above static power.
    pub fn doubts(&self, window: &ActivityWindow, package: Option<u32>, dynamic: f64) -> DoubtsByCgroup {
        let mut doubts = Doubts::new(&self.drawn(window, package), dynamic, window.length());
        let mut own = Term::of(self, window, package);
        let there = |(of, model): &(u32, Arc<Self>)| Term::of(model, window, Some(*of));
        let packages: Vec<Term> = self.packages.iter().map(there).collect();
        if !packages.is_empty() {
            own.follow(packages.iter().zip(self.packages.iter().map(|(_, model)| &**model)));
        }
        for (term, (_, model)) in packages.iter().zip(&self.packages) {
            doubts.add(term, model, self.gain());
        }
        doubts.add(&own, self, 1.0);
        doubts.end(self.unsteadiness)
    }

    pub(super) fn weight(&self, group: Group) -> f64 {
        self.coefficients[self.place(group)]
    }

    pub(super) fn place(&self, group: Group) -> usize {
        self.places.get(&group).copied().unwrap_or(OTHERS[usize::from(group.small)])
    }

    fn shared(&self) -> &[f64] {
        &self.coefficients[SHARED_AT..OTHERS[0]]
    }
}

/// The slices of a package, with their places.
pub(super) fn here(window: &ActivityWindow, package: Option<u32>) -> impl Iterator<Item = (usize, &Slice)> {
    let is_here = move |slice: &Slice| {
        package.is_none_or(|wanted| window.topology.package_of(slice.shard) == wanted) && !slice.cpu_time.is_zero()
    };
    window.slices.iter().enumerate().filter(move |(_, slice)| is_here(slice))
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
        let coefficients = vec![3.0, 2.0, 0.0, 6.0, 1.0, 10.0, 4.0];
        let places = FxHashMap::from_iter([(group(1), FIXED), (group(2), FIXED + 1)]);
        PowerModel { covariance: vec![vec![0.0; 7]; 7], coefficients, places, ..PowerModel::default() }
    }

    #[test]
    fn each_has_drawn_by_its_weight_and_its_part_of_what_all_share() {
        // Two packages, a CPU each; the third process is in a cgroup without a weight of its own.
        let window = window(0, 100, &[(1, 0, 50), (2, 0, 50), (2, 1, 20), (3, 1, 60)]);
        let Drawn { consumers, drawn } = model().drawn(&window, Some(0));
        assert_eq!(consumers, [consumer(1), consumer(2)]);
        assert_eq!(drawn, [500.0 + 100.0, 200.0 + 100.0]);
        let Drawn { consumers, drawn } = model().drawn(&window, None);
        assert_eq!(consumers, [1, 2, 3].map(consumer));
        let dynamic = model().by_activity(&Drive::of(&window, None));
        assert!((drawn.iter().sum::<f64>() - dynamic).abs() < 1e-9, "{drawn:?} is not {dynamic}");
        assert!(drawn[2] > 6.0 * 60.0);
    }

    #[test]
    fn what_is_drawn_of_packages_is_drawn_of_the_machine_with_their_gain() {
        let window = window(0, 100, &[(1, 0, 50), (2, 0, 50), (2, 1, 20)]);
        let packages = vec![(0, Arc::new(model())), (1, Arc::new(model()))];
        let coefficients = vec![8.0, 1.5, 0.0, 0.0, 0.0, 1.0];
        let places = FxHashMap::from_iter([(group(2), FIXED)]);
        let node = PowerModel { coefficients, places, packages, ..PowerModel::default() };
        assert_eq!(node.static_power(), Watts(8.0 + 1.5 * 6.0));
        // The second package is awake for a fifth of the time, at 2 W.
        let Drawn { consumers, drawn } = node.drawn(&window, None);
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
        kinds.insert(CgroupId(5), 9);
        let new = |kinds: WorkKinds| ActivityWindow { kinds: Arc::new(kinds), ..window(0, 100, &[(5, 0, 100)]) };
        let drawn = |window: &ActivityWindow| model.drawn(window, Some(0)).drawn[0];
        let more = drawn(&new(kinds)) - drawn(&new(WorkKinds::default()));
        assert!((more - (10.0 - 6.0) * 100.0).abs() < 1e-9, "{more}");
    }
}
