//! What of a window's activity drives the power of a zone.

use smallvec::SmallVec;

use crate::activity::{ActivityWindow, CoreKind, ShardId, Slice, WorkKind};

/// How much a thread does while the other thread of its core runs too, against a core to itself. Two threads together do
/// about 1.2 times what one does (Marr et al., "Hyper-Threading Technology Architecture and Microarchitecture", Intel
/// Technology Journal 6(1), 2002: up to 30 % more).
const BESIDE_SIBLING: f64 = 0.6;

/// Whose work is learned by itself: a function's or cgroup's on one kind of core.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Group {
    pub(super) kind: WorkKind,
    pub(super) small: bool,
}

impl Group {
    /// That of a slice.
    pub(super) fn of(window: &ActivityWindow, slice: &Slice) -> Self {
        Self { kind: window.kinds.of(slice.consumer.cgroup), small: is_small(window, slice.shard) }
    }
}

/// How many of a package's cores count as what all share: power grows most with the first that are busy.
pub(super) const SHARED: usize = 2;

/// What drove a zone over a window, in nanoseconds.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Drive {
    /// How long each group has worked.
    pub(super) groups: Vec<(Group, f64)>,
    /// How long packages were awake: the time that cores were busy, of which at most 1 (2, ..) at a time count.
    pub(super) awake: [f64; SHARED],
}

/// How long the slices of a window have worked: CPU time, but for what a busy sibling takes away. Where CPUs are counted
/// together it is not known what ran beside what, and CPU time counts as it is.
pub(super) fn worked(window: &ActivityWindow) -> impl Iterator<Item = f64> {
    let topology = &window.topology;
    let mut busy = vec![0.0; topology.shards()];
    for slice in &window.slices {
        busy[usize::from(slice.shard.0)] += slice.cpu_time.0 as f64;
    }
    let length = window.length().0.max(1) as f64;
    let left: Vec<f64> = (0..topology.shards())
        .map(|shard| {
            let places = topology.places_in(ShardId(shard as u16));
            let [place] = places[..] else { return 1.0 };
            let own = topology.cpus()[place];
            let siblings = topology
                .cpus()
                .iter()
                .filter(|other| other.cpu != own.cpu && (other.package, other.core) == (own.package, own.core));
            let beside: f64 = siblings.map(|other| busy[usize::from(other.shard.0)] / length).sum();
            1.0 - (1.0 - BESIDE_SIBLING) * beside.clamp(0.0, 1.0)
        })
        .collect();
    window.slices.iter().map(move |slice| slice.cpu_time.0 as f64 * left[usize::from(slice.shard.0)])
}

/// How long packages were awake, nanoseconds: the mean of min(n, 1), min(n, 2), .. over the window, n being how many of a
/// package's cores are busy, if cores were busy independently of each other.
pub(super) fn awake(window: &ActivityWindow, package: Option<u32>) -> [f64; SHARED] {
    let length = window.length().0.max(1) as f64;
    let topology = &window.topology;
    let mut busy = vec![0.0; topology.shards()];
    for slice in &window.slices {
        busy[usize::from(slice.shard.0)] += slice.cpu_time.0 as f64;
    }
    // How likely a core is idle at any time.
    let mut cores: SmallVec<[(u32, u32, f64); 16]> = SmallVec::new();
    for place in topology.cpus() {
        let together = topology.places_in(place.shard).len() as f64;
        let idle = (1.0 - busy[usize::from(place.shard.0)] / (length * together)).clamp(0.0, 1.0);
        match cores.iter_mut().rev().find(|(of, core, _)| (*of, *core) == (place.package, place.core)) {
            Some((_, _, both)) => *both *= idle,
            None => cores.push((place.package, place.core, idle)),
        }
    }
    // How likely none is busy, and one, by package.
    let mut packages: SmallVec<[(u32, [f64; SHARED]); 2]> = SmallVec::new();
    for (of, _, idle) in cores.into_iter().filter(|(of, ..)| package.is_none_or(|wanted| wanted == *of)) {
        match packages.iter_mut().find(|(package, _)| *package == of) {
            Some((_, [none, one])) => (*none, *one) = (*none * idle, *one * idle + *none * (1.0 - idle)),
            None => packages.push((of, [idle, 1.0 - idle])),
        }
    }
    packages.iter().fold([0.0; SHARED], |[first, second], (_, [none, one])| {
        [first + length * (1.0 - none), second + length * (2.0 - 2.0 * none - one)]
    })
}

impl Drive {
    /// That of a package; of the machine for `None`.
    pub(super) fn of(window: &ActivityWindow, package: Option<u32>) -> Self {
        let is_here = |slice: &Slice| package.is_none_or(|wanted| window.topology.package_of(slice.shard) == wanted);
        let slices = window.slices.iter().zip(worked(window)).filter(|(slice, _)| is_here(slice));
        let mut groups: Vec<(Group, f64)> = slices.map(|(slice, worked)| (Group::of(window, slice), worked)).collect();
        groups.sort_by_key(|(group, _)| *group);
        groups.dedup_by(|next, kept| {
            let same = next.0 == kept.0;
            kept.1 += if same { next.1 } else { 0.0 };
            same
        });
        Self { groups, awake: awake(window, package) }
    }
}

/// Whether a shard's cores are the small ones.
fn is_small(window: &ActivityWindow, shard: ShardId) -> bool {
    let first = window.topology.places_in(shard).first();
    first.is_some_and(|&place| window.topology.cpus()[place].kind == CoreKind::Efficiency)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::activity::{CgroupId, CpuPlace, Topology, WorkKinds};
    use crate::fuse::fixtures::window;

    /// The window with its two CPUs as the threads of one core, or as one big and one small core.
    fn on(slices: &[(u32, u16, u64)], core: [u32; 2], kinds: [CoreKind; 2]) -> ActivityWindow {
        let place = |cpu: u16| CpuPlace {
            cpu: u32::from(cpu),
            package: 0,
            core: core[usize::from(cpu)],
            kind: kinds[usize::from(cpu)],
            shard: ShardId(cpu),
        };
        ActivityWindow { topology: Arc::new(Topology::new(vec![place(0), place(1)])), ..window(0, 100, slices) }
    }

    const BIG: [CoreKind; 2] = [CoreKind::Performance; 2];

    #[test]
    fn a_busy_sibling_takes_some_of_the_work() {
        let slices = [(1, 0, 50), (2, 1, 100)];
        let apart: Vec<f64> = worked(&on(&slices, [0, 1], BIG)).collect();
        assert_eq!(apart, [50.0, 100.0]);
        let together: Vec<f64> = worked(&on(&slices, [0, 0], BIG)).collect();
        assert_eq!(together, [50.0 * BESIDE_SIBLING, 100.0 * (1.0 - 0.5 * (1.0 - BESIDE_SIBLING))]);
    }

    #[test]
    fn groups_are_told_apart_by_the_kind_of_core() {
        let window = on(&[(1, 0, 30), (1, 1, 20), (8, 0, 10)], [0, 1], [CoreKind::Performance, CoreKind::Efficiency]);
        let group = |small| Group { kind: WorkKind::Cgroup(CgroupId(1)), small };
        // Both processes are in the cgroup 1.
        assert_eq!(Drive::of(&window, None).groups, [(group(false), 30.0 + 10.0), (group(true), 20.0)]);
    }

    #[test]
    fn cgroups_of_a_function_are_one_group() {
        let slices = [(1, 0, 30), (2, 0, 20), (3, 1, 10)];
        let mut kinds = WorkKinds::default();
        kinds.insert(CgroupId(1), 7);
        kinds.insert(CgroupId(3), 7);
        let window = ActivityWindow { kinds: Arc::new(kinds), ..on(&slices, [0, 1], BIG) };
        let group = |kind| Group { kind, small: false };
        let expected = [(group(WorkKind::Cgroup(CgroupId(2))), 20.0), (group(WorkKind::Function(7)), 40.0)];
        assert_eq!(Drive::of(&window, None).groups, expected);
    }

    #[test]
    fn a_package_is_awake_while_any_of_its_cores_is() {
        let is = |window: &ActivityWindow, package, expected: [f64; SHARED]| {
            awake(window, package).iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 1e-9)
        };
        assert!(is(&on(&[], [0, 1], BIG), None, [0.0, 0.0]));
        assert!(is(&on(&[(1, 0, 100)], [0, 1], BIG), None, [100.0, 100.0]));
        assert!(is(&on(&[(1, 0, 50), (2, 1, 50)], [0, 1], BIG), Some(0), [75.0, 100.0]));
        // Two threads of one core.
        assert!(is(&on(&[(1, 0, 50), (2, 1, 50)], [0, 0], BIG), Some(0), [75.0, 75.0]));
        // Two packages, one of which sleeps.
        let two = window(0, 100, &[(1, 0, 100)]);
        assert!(is(&two, Some(0), [100.0; 2]) && is(&two, Some(1), [0.0; 2]) && is(&two, None, [100.0; 2]));
    }
}
