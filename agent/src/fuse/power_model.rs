//! What a zone draws, as learned: static power, what it takes to be awake, and what each group's work takes.

use rustc_hash::FxHashMap;

use crate::activity::{ActivityWindow, ConsumerId, Slice};
use crate::units::Watts;

use super::drive::{Drive, Group, awake, is_small, worked};

/// A learned model of a zone's power.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PowerModel {
    pub(super) static_power: f64,
    /// Of a package that any CPU is busy in, watts.
    pub(super) awake: f64,
    /// Of a busy CPU, by whether it is a small one, watts: for groups that have no weight of their own.
    pub(super) common: [f64; 2],
    pub(super) groups: FxHashMap<Group, f64>,
}

impl PowerModel {
    /// Power with nothing running.
    pub(super) fn static_power(&self) -> Watts {
        Watts(self.static_power)
    }

    /// What is drawn above that, watts times nanoseconds.
    pub(super) fn dynamic(&self, drive: &Drive) -> f64 {
        self.awake * drive.awake + drive.groups.iter().map(|(group, worked)| self.weight(*group) * worked).sum::<f64>()
    }

    /// Who ran in a package (in all for `None`), each once, and what each has drawn above static power, watts times
    /// nanoseconds. To be awake is shared by CPU time.
    pub fn drawn(&self, window: &ActivityWindow, package: Option<u32>) -> (Vec<ConsumerId>, Vec<f64>) {
        let here = |slice: &Slice| {
            package.is_none_or(|wanted| window.topology.package_of(slice.shard) == wanted) && !slice.cpu_time.is_zero()
        };
        let whole: f64 = window.slices.iter().filter(|slice| here(slice)).map(|slice| slice.cpu_time.0 as f64).sum();
        let awake = self.awake * awake(window, package);
        let (mut consumers, mut drawn) = (Vec::new(), Vec::<f64>::new());
        for (slice, worked) in window.slices.iter().zip(worked(window)).filter(|(slice, _)| here(slice)) {
            let group = Group { cgroup: slice.consumer.cgroup, small: is_small(window, slice.shard) };
            let power = self.weight(group) * worked + awake * (slice.cpu_time.0 as f64 / whole);
            match (consumers.last(), drawn.last_mut()) {
                (Some(last), Some(sum)) if *last == slice.consumer => *sum += power,
                _ => {
                    consumers.push(slice.consumer);
                    drawn.push(power);
                }
            }
        }
        (consumers, drawn)
    }

    pub(super) fn weight(&self, group: Group) -> f64 {
        self.groups.get(&group).copied().unwrap_or(self.common[usize::from(group.small)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::activity::CgroupId;
    use crate::fuse::fixtures::{consumer, window};

    fn model() -> PowerModel {
        let group = |cgroup: u64| Group { cgroup: CgroupId(cgroup), small: false };
        let groups = FxHashMap::from_iter([(group(1), 10.0), (group(2), 4.0)]);
        PowerModel { static_power: 3.0, awake: 2.0, common: [6.0, 1.0], groups }
    }

    #[test]
    fn each_has_drawn_by_its_weight_and_its_part_of_being_awake() {
        // Two packages, a CPU each; the third process is in a cgroup without a weight of its own.
        let window = window(0, 100, &[(1, 0, 50), (2, 0, 50), (2, 1, 20), (3, 1, 60)]);
        let (consumers, drawn) = model().drawn(&window, Some(0));
        assert_eq!(consumers, [consumer(1), consumer(2)]);
        assert_eq!(drawn, [500.0 + 100.0, 200.0 + 100.0]);
        let (consumers, drawn) = model().drawn(&window, None);
        assert_eq!(consumers, [1, 2, 3].map(consumer));
        let dynamic = model().dynamic(&Drive::of(&window, None));
        assert!((drawn.iter().sum::<f64>() - dynamic).abs() < 1e-9, "{drawn:?} is not {dynamic}");
        assert!(drawn[2] > 6.0 * 60.0);
    }
}
