//! Charging time to slots.

use core::intrinsics::{AtomicOrdering, atomic_xadd};
use core::ptr::{read_volatile, write_volatile};

use agent_ebpf::{CpuState, MARK_GROUP, SLOT_IDLE};
use aya_ebpf::helpers::generated::bpf_get_smp_processor_id;

use crate::counters;
use crate::layout::SHARED_SHARDS;
use crate::maps::{CELLS, CPUS, MARK_GROUPS, MARKS};

/// This CPU's state.
#[inline(always)]
pub(crate) fn this_cpu() -> Option<*mut CpuState> {
    // SAFETY: a helper without arguments.
    CPUS.get_ptr_mut(unsafe { bpf_get_smp_processor_id() })
}

/// One context switch.
pub(crate) struct Switch {
    /// When, nanoseconds. Before the slice or the window began it means then.
    pub(crate) at_ns: u64,
    /// Who leaves the CPU.
    pub(crate) leaving: u32,
    /// Until when the slice was somebody else's than who leaves, nanoseconds; 0 where it is all of one.
    pub(crate) others_until_ns: u64,
    /// Who comes.
    pub(crate) next: u32,
    /// The address of the task that comes; 0 where it is not known.
    pub(crate) next_task: u64,
    /// Whether what the CPU's counters have counted is charged too, if there are any.
    pub(crate) counts: bool,
}

/// Ends the time slice that began at the CPU's last switch, and begins the next.
///
/// The agent may read at any moment: `sequence` is odd meanwhile.
///
/// # Safety
/// `state` is the state of the CPU that this runs on, with interrupts off (as in `sched_switch`).
#[inline(always)]
pub(crate) unsafe fn switch(state: *mut CpuState, switch: &Switch) {
    // SAFETY: `state` points into CPUS, and no other CPU writes to it.
    unsafe {
        let sequence = read_volatile(&raw const (*state).sequence);
        write_volatile(&raw mut (*state).sequence, sequence.wrapping_add(1));
        let mut since = read_volatile(&raw const (*state).since_ns);
        // What was handed out with the window before stays as it is.
        let now_ns = switch.at_ns.max(since).max(read_volatile(&raw const (*state).window_ns));
        if since != 0 {
            if switch.others_until_ns > since {
                bill(state, read_volatile(&raw const (*state).slot), switch.others_until_ns - since);
                since = switch.others_until_ns;
                if switch.counts && counters::are_open() {
                    counters::split(state);
                }
            }
            bill(state, switch.leaving, now_ns.saturating_sub(since));
        }
        write_volatile(&raw mut (*state).since_ns, now_ns);
        write_volatile(&raw mut (*state).slot, switch.next);
        write_volatile(&raw mut (*state).task, switch.next_task);
        if switch.counts && counters::are_open() {
            counters::count(state, switch.leaving);
        }
        write_volatile(&raw mut (*state).sequence, sequence.wrapping_add(2));
    }
}

/// # Safety
/// As for [`switch`].
#[inline(always)]
unsafe fn bill(state: *mut CpuState, slot: u32, length_ns: u64) {
    if slot == SLOT_IDLE {
        // SAFETY: `state` points into CPUS, and no other CPU writes to it.
        unsafe {
            let idle = read_volatile(&raw const (*state).idle_ns);
            write_volatile(&raw mut (*state).idle_ns, idle + length_ns);
        }
    } else {
        charge(state, slot, length_ns);
    }
}

/// The index of a slot's cell in this CPU's shard.
#[inline(always)]
pub(crate) fn cell_of(state: *const CpuState, slot: u32) -> u32 {
    // SAFETY: `state` points into CPUS.
    unsafe { read_volatile(&raw const (*state).first_cell) + slot }
}

#[inline(always)]
fn charge(state: *const CpuState, slot: u32, length_ns: u64) {
    let Some(cell) = CELLS.get_ptr_mut(cell_of(state, slot)) else { return };
    // SAFETY: the cell lies in CELLS. Where several CPUs share it the addition is atomic; else nobody else writes it.
    unsafe {
        if SHARED_SHARDS.load() == 0 {
            write_volatile(cell, read_volatile(cell) + length_ns);
        } else {
            atomic_xadd::<u64, u64, { AtomicOrdering::Relaxed }>(cell, length_ns);
        }
    }
}

/// Leaves a mark: this slot's cell has grown, or will have when the slice that begins now ends.
#[inline(always)]
pub(crate) fn mark(state: *const CpuState, slot: u32) {
    let index = cell_of(state, slot);
    let Some(marks) = MARKS.get_ptr_mut(index >> 3) else { return };
    // SAFETY: the low three bits are below eight. Whoever writes the byte writes a one.
    unsafe { write_volatile(marks.cast::<u8>().add((index & 7) as usize), 1) };
    // After the mark itself: the agent looks for marks after it has cleared the group's.
    let group = index / MARK_GROUP;
    let Some(groups) = MARK_GROUPS.get_ptr_mut(group >> 3) else { return };
    // SAFETY: as above.
    unsafe { write_volatile(groups.cast::<u8>().add((group & 7) as usize), 1) };
}
