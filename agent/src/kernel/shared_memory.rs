//! The programs' memory, as the agent reads it.

use std::ptr::{read_volatile, write_volatile};
use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};

use agent_ebpf::{ConsumerKey, CpuState, SLOT_IDLE, SLOT_UNKNOWN, SlotInfo};
use aya::maps::{HashMap, MapData, Queue};

use crate::activity::{CgroupId, Comm, ConsumerId, Occupant, Pid};
use crate::activity::{CpuReading, ShardId, SlotMemory, SlotOwner, Topology};
use crate::clock::Timestamp;
use crate::notice::Notice;
use crate::units::Nanoseconds;

use super::shared_array::SharedArray;

/// How often a CPU's state is read anew because a switch came in between. A switch takes about 100 ns.
const ATTEMPTS: usize = 64;

/// The arrays that kernel and agent share.
pub(super) struct Arrays {
    pub(super) cpus: SharedArray<CpuState>,
    pub(super) cells: SharedArray<u64>,
    pub(super) marks: SharedArray<u8>,
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
    consumers: HashMap<MapData, Key, u32>,
    free: Queue<MapData, u32>,
    topology: Arc<Topology>,
    release_failed: Notice,
}

/// [`ConsumerKey`] as a map key of aya's.
#[repr(transparent)]
#[derive(Clone, Copy, Debug)]
pub(super) struct Key(pub(super) ConsumerKey);

// SAFETY: three integers and a padding that is always zero.
unsafe impl aya::Pod for Key {}

impl SharedMemory {
    pub(super) fn new(
        arrays: Arrays,
        consumers: HashMap<MapData, Key, u32>,
        free: Queue<MapData, u32>,
        topology: Arc<Topology>,
    ) -> Self {
        Self { arrays, consumers, free, topology, release_failed: Notice::new("slot_not_freed") }
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

impl SlotMemory for SharedMemory {
    fn slots(&self) -> usize {
        self.arrays.info.len()
    }

    fn read_cpu(&self, place: usize) -> CpuReading {
        let place = self.topology.cpus()[place];
        let state = self.arrays.cpus.element(place.cpu as usize);
        let mut reading = CpuReading::default();
        for _ in 0..ATTEMPTS {
            // SAFETY: `state` lies in the mapping; each field is read as a whole, and the sequence tells whether they
            // belong together. The fences keep the reads between the two looks at the sequence.
            unsafe {
                let before = read_volatile(&raw const (*state).sequence);
                fence(Ordering::Acquire);
                let slot = read_volatile(&raw const (*state).slot);
                reading = CpuReading {
                    occupant: match slot {
                        SLOT_IDLE => Occupant::Idle,
                        SLOT_UNKNOWN => Occupant::Unknown,
                        slot => Occupant::Slot(slot),
                    },
                    since: Timestamp(read_volatile(&raw const (*state).since_ns)),
                    idle: Nanoseconds(read_volatile(&raw const (*state).idle_ns)),
                    cell: if (slot as usize) < self.slots() {
                        Nanoseconds(self.arrays.cells.get(self.cell_index(place.shard, slot)))
                    } else {
                        Nanoseconds::ZERO
                    },
                };
                fence(Ordering::Acquire);
                let after = read_volatile(&raw const (*state).sequence);
                if before == after && before.is_multiple_of(2) {
                    break;
                }
            }
            std::hint::spin_loop();
        }
        reading
    }

    fn take_marks(&self, shard: ShardId, marked: &mut Vec<u32>) {
        let start = usize::from(shard.0) * self.slots();
        for group in (0..self.slots()).step_by(8) {
            if self.arrays.marks.word(start + group) == 0 {
                continue;
            }
            for slot in group..group + 8 {
                if self.arrays.marks.get(start + slot) != 0 {
                    self.arrays.marks.set(start + slot, 0);
                    marked.push(slot as u32);
                }
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

    fn release(&mut self, slot: u32) {
        let key = self.arrays.info.get(slot as usize).key;
        let removed = self.consumers.remove(&Key(key));
        let info = self.arrays.info.element(slot as usize);
        // SAFETY: `info` lies in the mapping; the flags are what says that the rest is valid.
        unsafe { write_volatile(&raw mut (*info).flags, 0) };
        for shard in 0..self.topology.shards() {
            let index = self.cell_index(ShardId(shard as u16), slot);
            self.arrays.cells.set(index, 0);
            self.arrays.marks.set(index, 0);
        }
        fence(Ordering::SeqCst);
        if let Err(error) = removed.and_then(|()| self.free.push(slot, 0)) {
            self.release_failed.warn(format_args!(
                "slot {slot} of process {} could not be freed ({error}); it stays out of use until the agent restarts",
                key.tgid
            ));
        }
    }
}
