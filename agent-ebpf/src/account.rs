//! Charging time to slots.

use core::intrinsics::{AtomicOrdering, atomic_xadd};
use core::ptr::{read_volatile, write_volatile};

use agent_ebpf::{CpuState, MARK_GROUP, Switch, WrittenState};
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

/// Ends the time slice that began at the CPU's last switch, and begins the next.
///
/// # Safety
/// `state` is the state of the CPU that this runs on, with interrupts off (as in `sched_switch`).
#[inline(always)]
pub(crate) unsafe fn switch(state: *mut CpuState, switch: &Switch) {
    agent_ebpf::switch(&OwnState(state), switch);
}

/// The state of the CPU that this runs on, which points into CPUS. No other CPU writes to it.
struct OwnState(*mut CpuState);

macro_rules! fields {
    ($($read:ident, $($write:ident)?: $type:ty;)*) => {
        $(
            #[inline(always)]
            fn $read(&self) -> $type {
                // SAFETY: the state points into CPUS.
                unsafe { read_volatile(&raw const (*self.0).$read) }
            }
            $(
                #[inline(always)]
                fn $write(&self, value: $type) {
                    // SAFETY: the state points into CPUS, and no other CPU writes this field.
                    unsafe { write_volatile(&raw mut (*self.0).$read, value) }
                }
            )?
        )*
    };
}

impl WrittenState for OwnState {
    fields! {
        sequence, set_sequence: u64;
        since_ns, set_since_ns: u64;
        idle_ns, set_idle_ns: u64;
        slot, set_slot: u32;
        window_ns,: u64;
    }

    #[inline(always)]
    fn set_task(&self, task: u64) {
        // SAFETY: the state points into CPUS, and no other CPU writes this field.
        unsafe { write_volatile(&raw mut (*self.0).task, task) }
    }

    #[inline(always)]
    fn charge(&self, slot: u32, length_ns: u64) {
        charge(self.0, slot, length_ns);
    }

    #[inline(always)]
    fn count(&self, leaving: u32) {
        if counters::are_open() {
            // SAFETY: this CPU's state, while its sequence is odd.
            unsafe { counters::count(self.0, leaving) }
        }
    }

    #[inline(always)]
    fn split_counts(&self) {
        if counters::are_open() {
            // SAFETY: as above.
            unsafe { counters::split(self.0) }
        }
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
