//! What each consumer did in a window, as far as power follows from it.

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::activity::{ActivityWindow, ConsumerId, CoreKind, Counts, ShardId, Slice, WorkKind};

/// How much a thread does while the other thread of its core runs too, against a core to itself. Two threads together do
/// about 1.2 times what one does (Marr et al., "Hyper-Threading Technology Architecture and Microarchitecture", Intel
/// Technology Journal 6(1), 2002: up to 30 % more).
const BESIDE_SIBLING: f64 = 0.6;

/// How many of a package's cores count as what all share: power grows most with the first that are busy.
pub(super) const SHARED: usize = 2;

/// What follows from a processor's counters: cycles, cycles times frequency, and instructions. Power goes with voltage squared
/// times frequency, and voltage with frequency, so that a cycle takes the more the higher the clock is.
pub(super) const COUNTED: usize = 3;
/// What is usual of a busy CPU, so that each of [`COUNTED`] is about as large as its time: 3 GHz, and a cycle an instruction.
const USUAL_GHZ: f64 = 3.0;

/// Whose work is learned by itself: a function's, a cgroup's or a command's on one kind of core.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Group {
    pub(super) kind: WorkKind,
    pub(super) small: bool,
}

/// What was done in a package, or in all of the machine.
#[derive(Clone, Debug, Default)]
pub(super) struct Work {
    /// In the window's order.
    pub(super) slices: Vec<WorkSlice>,
    /// CPU time of all.
    pub(super) cpu_time: f64,
    /// How long packages were awake: the time that cores were busy, of which at most 1 (2, ..) at a time count.
    pub(super) awake: [f64; SHARED],
}

/// What a consumer did on a shard, in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct WorkSlice {
    pub(super) consumer: ConsumerId,
    pub(super) group: Group,
    pub(super) cpu_time: f64,
    /// CPU time but for what a busy sibling takes away.
    pub(super) worked: f64,
    /// See [`COUNTED`]; zero where nothing is counted.
    pub(super) counted: [f64; COUNTED],
}

impl Work {
    /// What was done in a package; in the machine for `None`.
    pub(super) fn of(window: &ActivityWindow, package: Option<u32>) -> Self {
        let topology = &window.topology;
        let length = window.length().0.max(1) as f64;
        // Of each CPU of a shard, as a part of the time.
        let mut busy = vec![0.0; topology.shards()];
        for slice in &window.slices {
            busy[usize::from(slice.shard.0)] += slice.cpu_time.0 as f64;
        }
        for (shard, busy) in (0..).map(ShardId).zip(&mut busy) {
            *busy = (*busy / (length * topology.places_in(shard).len() as f64)).min(1.0);
        }
        let left = left_by_siblings(window, &busy);
        let is_small: SmallVec<[bool; 32]> = (0..topology.shards())
            .map(|shard| topology.kind_of(ShardId(shard as u16)) == CoreKind::Efficiency)
            .collect();
        let is_here = |slice: &Slice| {
            package.is_none_or(|wanted| topology.package_of(slice.shard) == wanted) && !slice.cpu_time.is_zero()
        };
        let mut slices = Vec::with_capacity(window.slices.len());
        let mut before: Option<(ConsumerId, WorkKind)> = None;
        for (place, slice) in window.slices.iter().enumerate().filter(|(_, slice)| is_here(slice)) {
            let shard = usize::from(slice.shard.0);
            let kind = match before {
                Some((consumer, kind)) if consumer == slice.consumer => kind,
                _ => window.kinds.of(&slice.consumer),
            };
            before = Some((slice.consumer, kind));
            let cpu_time = slice.cpu_time.0 as f64;
            slices.push(WorkSlice {
                consumer: slice.consumer,
                group: Group { kind, small: is_small[shard] },
                cpu_time,
                worked: cpu_time * left[shard],
                counted: window.counts.get(place).map_or([0.0; COUNTED], |counts| counted(*counts, cpu_time)),
            });
        }
        Self { cpu_time: slices.iter().map(|slice| slice.cpu_time).sum(), slices, awake: awake(window, package, &busy) }
    }
}

/// What part of their time the threads of each shard work, for what a busy sibling takes away. Where CPUs are counted together
/// it is not known what ran beside what, and CPU time counts as it is.
fn left_by_siblings(window: &ActivityWindow, busy: &[f64]) -> Vec<f64> {
    let topology = &window.topology;
    let mut left = vec![1.0; topology.shards()];
    for core in topology.cores().iter().filter(|core| core.threads.len() > 1) {
        let busy_here = |shard: &ShardId| busy[usize::from(shard.0)];
        let all: f64 = core.threads.iter().map(busy_here).sum();
        for thread in core.threads.iter().filter(|thread| topology.places_in(**thread).len() == 1) {
            left[usize::from(thread.0)] = 1.0 - (1.0 - BESIDE_SIBLING) * (all - busy_here(thread)).clamp(0.0, 1.0);
        }
    }
    left
}

/// How long packages were awake, nanoseconds: the mean of min(n, 1), min(n, 2), .. over the window, n being how many of a
/// package's cores are busy, if cores were busy independently of each other.
fn awake(window: &ActivityWindow, package: Option<u32>, busy: &[f64]) -> [f64; SHARED] {
    // How likely none is busy, and one, by package.
    let mut packages: SmallVec<[(u32, [f64; SHARED]); 2]> = SmallVec::new();
    for core in window.topology.cores().iter().filter(|core| package.is_none_or(|wanted| wanted == core.package)) {
        let idle: f64 = core.threads.iter().map(|shard| 1.0 - busy[usize::from(shard.0)]).product();
        match packages.iter_mut().find(|(package, _)| *package == core.package) {
            Some((_, [none, one])) => (*none, *one) = (*none * idle, *one * idle + *none * (1.0 - idle)),
            None => packages.push((core.package, [idle, 1.0 - idle])),
        }
    }
    let length = window.length().0.max(1) as f64;
    packages.iter().fold([0.0; SHARED], |[first, second], (_, [none, one])| {
        [first + length * (1.0 - none), second + length * (2.0 - 2.0 * none - one)]
    })
}

fn counted(counts: Counts, cpu_time: f64) -> [f64; COUNTED] {
    let (cycles, instructions) = (counts.cycles as f64 / USUAL_GHZ, counts.instructions as f64 / USUAL_GHZ);
    [cycles, cycles * cycles / cpu_time, instructions]
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::activity::{CpuPlace, Topology};
    use crate::fuse::fixtures::window;

    /// The window with its two CPUs as the threads of these cores.
    fn on(slices: &[(u32, u16, u64)], core: [u32; 2]) -> ActivityWindow {
        let place = |cpu: u16| CpuPlace {
            cpu: u32::from(cpu),
            package: 0,
            core: core[usize::from(cpu)],
            kind: CoreKind::Performance,
            shard: ShardId(cpu),
        };
        ActivityWindow { topology: Arc::new(Topology::new(vec![place(0), place(1)])), ..window(0, 100, slices) }
    }

    #[test]
    fn a_busy_sibling_takes_some_of_the_work() {
        let slices = [(1, 0, 50), (2, 1, 100)];
        let worked = |core: [u32; 2]| {
            let work = Work::of(&on(&slices, core), None);
            work.slices.iter().map(|slice| slice.worked).collect::<Vec<f64>>()
        };
        assert_eq!(worked([0, 1]), [50.0, 100.0]);
        assert_eq!(worked([0, 0]), [50.0 * BESIDE_SIBLING, 100.0 * (1.0 - 0.5 * (1.0 - BESIDE_SIBLING))]);
    }

    #[test]
    fn a_package_is_awake_while_any_of_its_cores_is() {
        let is = |window: &ActivityWindow, package, expected: [f64; SHARED]| {
            let found = Work::of(window, package).awake;
            found.iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 1e-9)
        };
        assert!(is(&on(&[], [0, 1]), None, [0.0, 0.0]));
        assert!(is(&on(&[(1, 0, 100)], [0, 1]), None, [100.0, 100.0]));
        assert!(is(&on(&[(1, 0, 50), (2, 1, 50)], [0, 1]), Some(0), [75.0, 100.0]));
        // Two threads of one core.
        assert!(is(&on(&[(1, 0, 50), (2, 1, 50)], [0, 0]), Some(0), [75.0, 75.0]));
        // Two packages, one of which sleeps.
        let two = window(0, 100, &[(1, 0, 100)]);
        assert!(is(&two, Some(0), [100.0; 2]) && is(&two, Some(1), [0.0; 2]) && is(&two, None, [100.0; 2]));
    }

    #[test]
    fn what_was_counted_is_about_as_much_as_time() {
        let counts = vec![Counts { cycles: 150, instructions: 300 }, Counts { cycles: 150, instructions: 75 }];
        // 3 GHz, and 1.5 GHz.
        let window = ActivityWindow { counts, ..on(&[(1, 0, 50), (2, 1, 100)], [0, 1]) };
        let counted = |window: &ActivityWindow| -> Vec<f64> {
            Work::of(window, None).slices.iter().flat_map(|slice| slice.counted).collect()
        };
        assert_eq!(counted(&window), [50.0, 50.0, 100.0, 50.0, 25.0, 25.0]);
        assert_eq!(counted(&on(&[(1, 0, 50)], [0, 1])), [0.0; COUNTED]);
    }
}
