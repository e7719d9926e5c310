//! The programs' memory, as the agent reads it.

use std::ptr::{read_volatile, write_volatile};
use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};

use agent_ebpf::{CpuCounters, CpuState, MARK_GROUP, SLOT_IDLE, SLOT_UNKNOWN, SlotInfo};

use crate::activity::{CgroupId, Comm, ConsumerId, Counts, Occupant, Pid};
use crate::activity::{CpuReading, ShardId, Shards, SlotMemory, SlotOwner, Topology};
use crate::clock::Timestamp;
use crate::units::Nanoseconds;

use super::counters::Counters;
use super::freeing::Freeing;
use super::on_demand::{CHECK_OCCUPANT, OnDemand};
use super::shared_array::SharedArray;

/// How often a CPU's state is read anew because a switch came in between. A switch takes about 100 ns.
const ATTEMPTS: usize = 64;

/// How often the counters of a slice that is open are read anew because it ended meanwhile. Reading them takes some
/// microseconds.
const COUNTER_ATTEMPTS: usize = 4;

/// The arrays that kernel and agent share.
pub(super) struct Arrays {
    pub(super) cpus: SharedArray<CpuState>,
    pub(super) cells: SharedArray<u64>,
    pub(super) marks: SharedArray<u8>,
    pub(super) mark_groups: SharedArray<u8>,
    pub(super) info: SharedArray<SlotInfo>,
}

impl Arrays {
    pub(super) fn set_first_cell(&self, cpu: u32, index: u32) {
        let state = self.cpus.element(cpu as usize);
        // SAFETY: `state` lies in the mapping, and the programs do not run yet.
        unsafe { write_volatile(&raw mut (*state).first_cell, index) };
    }
}

/// What is read at the end of every window, and how slots are given back.
pub struct SharedMemory {
    arrays: Arrays,
    counters: Option<Counters>,
    freeing: Freeing,
    programs: OnDemand,
    topology: Arc<Topology>,
}

impl SharedMemory {
    pub(super) fn new(
        arrays: Arrays,
        counters: Option<Counters>,
        freeing: Freeing,
        programs: OnDemand,
        topology: Arc<Topology>,
    ) -> Self {
        Self { arrays, counters, freeing, programs, topology }
    }

    /// Takes the marks of one group, which is its shard's `group_of_shard`th.
    fn take_group(&self, group: usize, group_of_shard: usize, marked: &mut Vec<u32>) {
        let Arrays { marks, mark_groups, .. } = &self.arrays;
        // Before its marks: one that is set from now on sets the group's again.
        mark_groups.set(group, 0);
        fence(Ordering::SeqCst);
        let (start, size) = (group * MARK_GROUP as usize, MARK_GROUP as usize);
        for eight in (0..size).step_by(8).filter(|eight| marks.word(start + eight) != 0) {
            for place in (eight..eight + 8).filter(|place| marks.get(start + place) != 0) {
                marks.set(start + place, 0);
                marked.push((group_of_shard * size + place) as u32);
            }
        }
    }

    fn cell_index(&self, shard: ShardId, slot: u32) -> usize {
        usize::from(shard.0) * self.slots() + slot as usize
    }

    /// What the CPUs have counted beside time: switches, overflows, lost events.
    pub fn counts(&self) -> KernelCounts {
        let mut counts = KernelCounts::default();
        for place in self.topology.cpus() {
            let state = self.arrays.cpus.element(place.cpu as usize);
            // SAFETY: `state` lies in the mapping; each field is read as a whole.
            unsafe {
                counts.switches += read_volatile(&raw const (*state).sequence) / 2;
                counts.overflows += read_volatile(&raw const (*state).overflows);
                counts.lost_events += read_volatile(&raw const (*state).lost_events);
                counts.unreported += read_volatile(&raw const (*state).unreported);
            }
        }
        counts
    }
}

/// Sums over the CPUs, since the programs were attached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KernelCounts {
    /// Context switches.
    pub switches: u64,
    /// Switches to a task that had to share the overflow slot.
    pub overflows: u64,
    /// Events for which the ring had no room.
    pub lost_events: u64,
    /// Switches that the kernel did not report.
    pub unreported: u64,
}

/// What a CPU is doing, as of one moment between two switches.
#[derive(Clone, Copy, Debug)]
struct Moment {
    /// The CPU's `sequence`.
    sequence: u64,
    reading: CpuReading,
    /// Where its counters stood when the slice began.
    counters: CpuCounters,
}

impl SharedMemory {
    /// As of now; where switches come in between again and again, its parts may not belong together.
    fn read_moment(&self, place: usize) -> Moment {
        let mut read = self.try_moment(place);
        for _ in 1..ATTEMPTS {
            if read.1 {
                break;
            }
            std::hint::spin_loop();
            read = self.try_moment(place);
        }
        read.0
    }

    /// And whether its parts belong together.
    fn try_moment(&self, place: usize) -> (Moment, bool) {
        let place = self.topology.cpus()[place];
        let state = self.arrays.cpus.element(place.cpu as usize);
        // SAFETY: `state` lies in the mapping; each field is read as a whole, and the sequence tells whether they
        // belong together. The fences keep the reads between the two looks at the sequence.
        unsafe {
            let sequence = read_volatile(&raw const (*state).sequence);
            fence(Ordering::Acquire);
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
                cell: cell.map_or(Nanoseconds::ZERO, |cell| Nanoseconds(self.arrays.cells.get(cell))),
                counted: cell.map_or_else(Counts::default, |cell| self.counted_in(cell)),
                counted_open: Counts::default(),
            };
            let counters = read_volatile(&raw const (*state).counters);
            fence(Ordering::Acquire);
            let after = read_volatile(&raw const (*state).sequence);
            (Moment { sequence, reading, counters }, sequence == after && sequence.is_multiple_of(2))
        }
    }

    fn has_switched_since(&self, moment: &Moment, place: usize) -> bool {
        let state = self.arrays.cpus.element(self.topology.cpus()[place].cpu as usize);
        fence(Ordering::Acquire);
        // SAFETY: `state` lies in the mapping; the field is read as a whole.
        unsafe { read_volatile(&raw const (*state).sequence) != moment.sequence }
    }

    fn counted_in(&self, cell: usize) -> Counts {
        self.counters.as_ref().map_or_else(Counts::default, |counters| counters.counted(cell))
    }
}

impl SlotMemory for SharedMemory {
    fn slots(&self) -> usize {
        self.arrays.info.len()
    }

    fn read_cpu(&self, place: usize) -> CpuReading {
        self.read_moment(place).reading
    }

    fn has_counters(&self) -> bool {
        self.counters.is_some()
    }

    fn read_cpu_and_counters(&mut self, place: usize, now: Timestamp) -> CpuReading {
        let mut moment = self.read_moment(place);
        for _ in 0..COUNTER_ATTEMPTS {
            let (Occupant::Slot(_), Some(counters)) = (moment.reading.occupant, &mut self.counters) else { break };
            let open = counters.read_open(place, &moment.counters, now.since(moment.reading.since));
            if self.has_switched_since(&moment, place) {
                moment = self.read_moment(place);
                continue;
            }
            match (open, &mut self.counters) {
                (Some(open), _) => {
                    moment.reading.counted_open = open.counts;
                    open.hand_out(self.arrays.cpus.element(self.topology.cpus()[place].cpu as usize));
                }
                (None, Some(counters)) => counters.miss(place),
                (None, None) => {}
            }
            break;
        }
        // Where it has ended again and again meanwhile, it was short, and what was counted in it comes with the next window.
        moment.reading
    }

    fn counted(&self, shard: ShardId, slot: u32) -> Counts {
        self.counted_in(self.cell_index(shard, slot))
    }

    fn was_all_counted(&mut self) -> bool {
        self.counters.as_mut().is_none_or(|counters| counters.was_all_counted(&self.arrays.cpus))
    }

    fn check_occupant(&mut self, place: usize) {
        let cpu = self.topology.cpus()[place].cpu;
        match self.programs.run(CHECK_OCCUPANT, 0, Some(cpu)) {
            Ok(0) => {}
            Ok(_) => tracing::debug!("CPU {cpu} runs somebody else than was reported; the window's time goes there"),
            Err(error) => tracing::debug!("who runs on CPU {cpu} cannot be checked: {error}"),
        }
    }

    fn take_marks(&self, shard: ShardId, thorough: bool, marked: &mut Vec<u32>) {
        let groups_of_shard = self.slots() / MARK_GROUP as usize;
        let first = usize::from(shard.0) * groups_of_shard;
        for eight in (first..first + groups_of_shard).step_by(8) {
            if self.arrays.mark_groups.word(eight) == 0 && !thorough {
                continue;
            }
            for group in (eight..eight + 8).filter(|&group| thorough || self.arrays.mark_groups.get(group) != 0) {
                self.take_group(group, group - first, marked);
            }
        }
    }

    fn begin_epoch(&self, now: Timestamp) {
        // After the marks were taken and before anything else is read: whoever is switched to from now on is marked
        // again, and whoever was switched to before has been taken or is seen to run.
        fence(Ordering::SeqCst);
        for place in self.topology.cpus() {
            let state = self.arrays.cpus.element(place.cpu as usize);
            // SAFETY: `state` lies in the mapping, and the programs only read these fields.
            unsafe {
                let epoch = read_volatile(&raw const (*state).epoch);
                write_volatile(&raw mut (*state).epoch, epoch.wrapping_add(1));
                write_volatile(&raw mut (*state).window_ns, now.0);
            }
        }
        fence(Ordering::SeqCst);
    }

    fn cell(&self, shard: ShardId, slot: u32) -> Nanoseconds {
        Nanoseconds(self.arrays.cells.get(self.cell_index(shard, slot)))
    }

    fn owner(&self, slot: u32) -> Option<SlotOwner> {
        let SlotInfo { key, parent, flags, comm } = self.arrays.info.get(slot as usize);
        (flags & agent_ebpf::FLAG_USED != 0).then(|| SlotOwner {
            consumer: ConsumerId { cgroup: CgroupId(key.cgroup), pid: Pid(key.tgid), start: Nanoseconds(key.start) },
            parent: Pid(parent),
            comm: Comm::from_kernel(comm),
            kernel_thread: flags & agent_ebpf::FLAG_KERNEL_THREAD != 0,
        })
    }

    fn release(&mut self, slots: &[(u32, Shards)]) {
        for &(slot, shards) in slots {
            for shard in shards.among(self.topology.shards()) {
                let index = self.cell_index(shard, slot);
                self.arrays.cells.set(index, 0);
                if let Some(counters) = &self.counters {
                    counters.clear(index);
                }
                self.arrays.marks.set(index, 0);
            }
        }
        fence(Ordering::SeqCst);
        self.freeing.free(slots, &self.arrays, &mut self.programs);
    }
}
