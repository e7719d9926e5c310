//! The programs' memory, as the agent reads it.

use std::ptr::read_volatile;
use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};

use agent_ebpf::SlotInfo;

use crate::activity::{CgroupId, Comm, ConsumerId, Counts, Occupant, Pid};
use crate::activity::{CpuReading, ShardId, Shards, SlotMemory, SlotOwner, Topology};
use crate::clock::Timestamp;
use crate::units::Nanoseconds;

use super::arrays::{Arrays, Moment};
use super::counters::Counters;
use super::freeing::Freeing;
use super::on_demand::{CHECK_OCCUPANT, OnDemand};

/// How often the counters of a slice that is open are read anew because it ended meanwhile. Reading them takes some
/// microseconds.
const COUNTER_ATTEMPTS: usize = 4;

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

impl SharedMemory {
    fn read_moment(&self, place: usize) -> Moment {
        self.arrays.read_moment(&self.topology.cpus()[place], |cell| self.counted_in(cell))
    }

    fn counted_in(&self, cell: usize) -> Counts {
        self.counters.as_ref().map_or_else(Counts::default, |counters| counters.counted(cell))
    }
}

impl SlotMemory for SharedMemory {
    fn slots(&self) -> usize {
        self.arrays.slots()
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
            if self.arrays.has_switched_since(&moment, self.topology.cpus()[place].cpu) {
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
        self.counted_in(self.arrays.cell_index(shard, slot))
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
        self.arrays.take_marks(shard, thorough, marked);
    }

    fn begin_epoch(&self, now: Timestamp) {
        self.arrays.begin_epoch(self.topology.cpus().iter().map(|place| place.cpu), now);
    }

    fn cell(&self, shard: ShardId, slot: u32) -> Nanoseconds {
        Nanoseconds(self.arrays.cells.get(self.arrays.cell_index(shard, slot)))
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
                let index = self.arrays.cell_index(shard, slot);
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
