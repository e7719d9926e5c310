//! The arrays that the programs and the agent share, and how they are read and written at the same time.

use std::ptr::{read_volatile, write_volatile};
use std::sync::atomic::{Ordering, fence};

use agent_ebpf::{Attempt, CpuCounters, CpuState, MARK_GROUP, ReadState, SLOT_IDLE, SLOT_UNKNOWN, SlotInfo, try_read};

use crate::activity::{Counts, CpuPlace, CpuReading, Occupant, ShardId};
use crate::clock::Timestamp;
use crate::units::Nanoseconds;

use super::shared_array::SharedArray;

/// How often a CPU's state is read anew because a switch came in between. A switch takes about 100 ns.
const ATTEMPTS: usize = 64;

/// All of them.
pub(super) struct Arrays {
    pub(super) cpus: SharedArray<CpuState>,
    pub(super) cells: SharedArray<u64>,
    pub(super) marks: SharedArray<u8>,
    pub(super) mark_groups: SharedArray<u8>,
    pub(super) info: SharedArray<SlotInfo>,
}

/// What a CPU is doing, as of one moment between two switches.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    /// The CPU's `sequence`.
    pub(super) sequence: u64,
    pub(super) reading: CpuReading,
    /// Where its counters stood when the slice began.
    pub(super) counters: CpuCounters,
}

/// The state of one CPU, which lies in the mapping.
struct State(*const CpuState);

impl ReadState for State {
    fn sequence(&self) -> u64 {
        // SAFETY: the state lies in the mapping; the field is read as a whole.
        unsafe { read_volatile(&raw const (*self.0).sequence) }
    }

    fn fence(&self) {
        fence(Ordering::Acquire);
    }
}

impl Arrays {
    /// Tells a CPU where the cells of its shard begin.
    pub(super) fn set_first_cell(&self, cpu: u32, index: u32) {
        let state = self.cpus.element(cpu as usize);
        // SAFETY: `state` lies in the mapping, and the programs do not run yet.
        unsafe { write_volatile(&raw mut (*state).first_cell, index) };
    }

    /// How many slots there are.
    pub(super) fn slots(&self) -> usize {
        self.info.len()
    }

    /// The index of a slot's cell in a shard.
    pub(super) fn cell_index(&self, shard: ShardId, slot: u32) -> usize {
        usize::from(shard.0) * self.slots() + slot as usize
    }

    /// What a CPU is doing now; where switches come in between again and again, its parts may not belong together.
    /// `counted` says what was counted in the closed slices of a cell.
    pub(super) fn read_moment(&self, place: &CpuPlace, counted: impl Fn(usize) -> Counts) -> Moment {
        let mut read = self.try_moment(place, &counted);
        for _ in 1..ATTEMPTS {
            if read.is_whole {
                break;
            }
            std::hint::spin_loop();
            read = self.try_moment(place, &counted);
        }
        let (reading, counters) = read.value;
        Moment { sequence: read.sequence, reading, counters }
    }

    fn try_moment(&self, place: &CpuPlace, counted: impl Fn(usize) -> Counts) -> Attempt<(CpuReading, CpuCounters)> {
        let state = self.cpus.element(place.cpu as usize);
        // SAFETY: `state` lies in the mapping; each field is read as a whole, and it is found out whether they belong
        // together.
        try_read(&State(state), || unsafe {
            let slot = read_volatile(&raw const (*state).slot);
            let cell = ((slot as usize) < self.slots()).then(|| self.cell_index(place.shard, slot));
            let reading = CpuReading {
                occupant: match slot {
                    SLOT_IDLE => Occupant::Idle,
                    SLOT_UNKNOWN => Occupant::Unknown,
                    slot => Occupant::Slot(slot),
                },
                since: Timestamp(read_volatile(&raw const (*state).since_ns)),
                idle: Nanoseconds(read_volatile(&raw const (*state).idle_ns)),
                cell: cell.map_or(Nanoseconds::ZERO, |cell| Nanoseconds(self.cells.get(cell))),
                counted: cell.map_or_else(Counts::default, counted),
                counted_open: Counts::default(),
            };
            (reading, read_volatile(&raw const (*state).counters))
        })
    }

    /// Whether a CPU has switched since a moment.
    pub(super) fn has_switched_since(&self, moment: &Moment, cpu: u32) -> bool {
        let state = State(self.cpus.element(cpu as usize));
        state.fence();
        state.sequence() != moment.sequence
    }

    /// Takes and clears the marks of a shard: those of groups that are marked, or if `thorough` all.
    pub(super) fn take_marks(&self, shard: ShardId, thorough: bool, marked: &mut Vec<u32>) {
        let groups_of_shard = self.slots() / MARK_GROUP as usize;
        let first = usize::from(shard.0) * groups_of_shard;
        for eight in (first..first + groups_of_shard).step_by(8) {
            if self.mark_groups.word(eight) == 0 && !thorough {
                continue;
            }
            for group in (eight..eight + 8).filter(|&group| thorough || self.mark_groups.get(group) != 0) {
                self.take_group(group, group - first, marked);
            }
        }
    }

    /// Takes the marks of one group, which is its shard's `group_of_shard`th.
    fn take_group(&self, group: usize, group_of_shard: usize, marked: &mut Vec<u32>) {
        // Before its marks: one that is set from now on sets the group's again.
        self.mark_groups.set(group, 0);
        fence(Ordering::SeqCst);
        let (start, size) = (group * MARK_GROUP as usize, MARK_GROUP as usize);
        for eight in (0..size).step_by(8).filter(|eight| self.marks.word(start + eight) != 0) {
            for place in (eight..eight + 8).filter(|place| self.marks.get(start + place) != 0) {
                self.marks.set(start + place, 0);
                marked.push((group_of_shard * size + place) as u32);
            }
        }
    }

    /// Raises the epoch on these CPUs, for which a window begins at `now`.
    pub(super) fn begin_epoch(&self, cpus: impl Iterator<Item = u32>, now: Timestamp) {
        // After the marks were taken and before anything else is read: whoever is switched to from now on is marked
        // again, and whoever was switched to before has been taken or is seen to run.
        fence(Ordering::SeqCst);
        for cpu in cpus {
            let state = self.cpus.element(cpu as usize);
            // SAFETY: `state` lies in the mapping, and the programs only read these fields.
            unsafe {
                let epoch = read_volatile(&raw const (*state).epoch);
                write_volatile(&raw mut (*state).epoch, epoch.wrapping_add(1));
                write_volatile(&raw mut (*state).window_ns, now.0);
            }
        }
        fence(Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use agent_ebpf::ConsumerKey;

    use super::*;
    use crate::activity::CoreKind;

    const SLOTS: usize = 8 * MARK_GROUP as usize;
    const SECOND: CpuPlace = CpuPlace { cpu: 1, package: 0, core: 1, kind: CoreKind::Performance, shard: ShardId(1) };

    /// Two CPUs with a shard each.
    fn arrays() -> Arrays {
        Arrays {
            cpus: SharedArray::anonymous(2),
            cells: SharedArray::anonymous(2 * SLOTS),
            marks: SharedArray::anonymous(2 * SLOTS),
            mark_groups: SharedArray::anonymous(2 * SLOTS / MARK_GROUP as usize),
            info: SharedArray::anonymous(SLOTS),
        }
    }

    /// The second CPU runs a slot since 100 ns.
    fn run(arrays: &Arrays, slot: u32, sequence: u64) {
        let state = arrays.cpus.element(1);
        // SAFETY: `state` lies in the mapping.
        unsafe {
            write_volatile(&raw mut (*state).sequence, sequence);
            write_volatile(&raw mut (*state).slot, slot);
            write_volatile(&raw mut (*state).since_ns, 100);
            write_volatile(&raw mut (*state).idle_ns, 7);
        }
    }

    #[test]
    fn a_moment_has_the_cell_of_who_runs_on_its_shard() {
        let arrays = arrays();
        arrays.cells.set(5, 1);
        arrays.cells.set(SLOTS + 5, 42);
        run(&arrays, 5, 2);
        let moment = arrays.read_moment(&SECOND, |cell| Counts { cycles: cell as u64, instructions: 1 });
        assert_eq!((moment.reading.occupant, moment.reading.since), (Occupant::Slot(5), Timestamp(100)));
        assert_eq!((moment.reading.cell, moment.reading.idle), (Nanoseconds(42), Nanoseconds(7)));
        assert_eq!(moment.reading.counted.cycles, SLOTS as u64 + 5);
        assert!(!arrays.has_switched_since(&moment, 1));
        run(&arrays, SLOT_IDLE, 4);
        assert!(arrays.has_switched_since(&moment, 1));
        assert_eq!(arrays.read_moment(&SECOND, |_| Counts::default()).reading.occupant, Occupant::Idle);
    }

    #[test]
    fn a_slot_beyond_the_last_has_no_cell_and_half_a_switch_is_not_whole() {
        let arrays = arrays();
        run(&arrays, SLOTS as u32, 3);
        let read = arrays.try_moment(&SECOND, |_| panic!("there is no such cell"));
        assert!(!read.is_whole);
        assert_eq!(read.value.0.cell, Nanoseconds::ZERO);
        run(&arrays, SLOT_UNKNOWN, 4);
        assert_eq!(arrays.read_moment(&SECOND, |_| panic!("nor this")).reading.occupant, Occupant::Unknown);
    }

    #[test]
    fn marks_are_taken_once_and_from_their_own_shard() {
        let arrays = arrays();
        for slot in [3, 40, SLOTS - 1] {
            arrays.marks.set(SLOTS + slot, 1);
            arrays.mark_groups.set((SLOTS + slot) / MARK_GROUP as usize, 1);
        }
        // Half a mark: its group's is not there yet.
        arrays.marks.set(SLOTS + 70, 1);
        let take = |shard, thorough| {
            let mut marked = Vec::new();
            arrays.take_marks(ShardId(shard), thorough, &mut marked);
            marked
        };
        assert!(take(0, true).is_empty());
        assert_eq!(take(1, false), [3, 40, SLOTS as u32 - 1]);
        assert!(take(1, false).is_empty());
        assert_eq!(take(1, true), [70]);
    }

    #[test]
    fn an_epoch_begins_on_the_cpus_that_are_there() {
        let arrays = arrays();
        arrays.set_first_cell(1, SLOTS as u32);
        arrays.begin_epoch([1].into_iter(), Timestamp(500));
        // SAFETY: the states lie in the mapping.
        let (first, second) = unsafe { (read_volatile(arrays.cpus.element(0)), read_volatile(arrays.cpus.element(1))) };
        assert_eq!((first.epoch, first.window_ns), (0, 0));
        assert_eq!((second.epoch, second.window_ns, second.first_cell), (1, 500, SLOTS as u32));
        arrays
            .info
            .set(SLOTS - 1, SlotInfo { key: ConsumerKey { tgid: 9, ..Default::default() }, ..Default::default() });
        assert_eq!(arrays.info.get(SLOTS - 1).key.tgid, 9);
    }
}
