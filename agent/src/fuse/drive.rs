//! What of a window's activity drives the power of a zone.

use super::work::{COUNTED, Group, SHARED, Work};

/// What drove a zone over a window, in nanoseconds.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Drive {
    /// How long each group has worked.
    pub(super) groups: Vec<(Group, f64)>,
    /// How long packages were awake: the time that cores were busy, of which at most 1 (2, ..) at a time count.
    pub(super) awake: [f64; SHARED],
    /// What was counted on big and on small cores.
    pub(super) counted: [[f64; COUNTED]; 2],
}

impl Drive {
    /// What this work drives.
    pub(super) fn of(work: &Work) -> Self {
        let mut groups: Vec<(Group, f64)> = work.slices.iter().map(|slice| (slice.group, slice.worked)).collect();
        groups.sort_by_key(|(group, _)| *group);
        groups.dedup_by(|next, kept| {
            let same = next.0 == kept.0;
            kept.1 += if same { next.1 } else { 0.0 };
            same
        });
        let mut counted = [[0.0; COUNTED]; 2];
        for slice in &work.slices {
            for (sum, counted) in counted[usize::from(slice.group.small)].iter_mut().zip(slice.counted) {
                *sum += counted;
            }
        }
        Self { groups, awake: work.awake, counted }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::activity::{
        ActivityWindow, CgroupId, CoreKind, Counts, CpuPlace, ShardId, Topology, WorkKind, WorkKinds,
    };
    use crate::fuse::fixtures::window;

    /// The window with its two CPUs as a big and a small core.
    fn on_big_and_small(slices: &[(u32, u16, u64)]) -> ActivityWindow {
        let place = |cpu: u16, kind: CoreKind| CpuPlace {
            cpu: u32::from(cpu),
            package: 0,
            core: u32::from(cpu),
            kind,
            shard: ShardId(cpu),
        };
        let topology = Topology::new(vec![place(0, CoreKind::Performance), place(1, CoreKind::Efficiency)]);
        ActivityWindow { topology: Arc::new(topology), ..window(0, 100, slices) }
    }

    #[test]
    fn groups_are_told_apart_by_the_kind_of_core() {
        let window = on_big_and_small(&[(1, 0, 30), (1, 1, 20), (8, 0, 10)]);
        let group = |small| Group { kind: WorkKind::Cgroup(CgroupId(1)), small };
        // Both processes are in the cgroup 1.
        let found = Drive::of(&Work::of(&window, None)).groups;
        assert_eq!(found, [(group(false), 30.0 + 10.0), (group(true), 20.0)]);
    }

    #[test]
    fn what_is_counted_is_told_apart_by_the_kind_of_core() {
        let counts = vec![Counts { cycles: 30, instructions: 60 }; 3];
        let window = ActivityWindow { counts, ..on_big_and_small(&[(1, 0, 10), (1, 1, 20), (8, 0, 10)]) };
        let found = Drive::of(&Work::of(&window, None)).counted;
        assert_eq!(found, [[20.0, 20.0, 40.0], [10.0, 5.0, 20.0]]);
    }

    #[test]
    fn cgroups_of_a_function_are_one_group() {
        let slices = [(1, 0, 30), (2, 0, 20), (3, 1, 10)];
        let mut kinds = WorkKinds::default();
        kinds.insert(CgroupId(1), WorkKind::Function(7));
        kinds.insert(CgroupId(3), WorkKind::Function(7));
        let window = ActivityWindow { kinds: Arc::new(kinds), ..window(0, 100, &slices) };
        let group = |kind| Group { kind, small: false };
        let expected = [(group(WorkKind::Cgroup(CgroupId(2))), 20.0), (group(WorkKind::Function(7)), 40.0)];
        assert_eq!(Drive::of(&Work::of(&window, None)).groups, expected);
    }
}
