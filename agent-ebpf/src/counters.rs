//! Charging what a processor's own counters counted to slots.
//!
//! The agent opens two counters on every CPU, of cycles and of instructions, and puts them into two maps. How far they
//! have moved since the CPU's last switch belongs to who leaves.

use core::intrinsics::{AtomicOrdering, atomic_xadd};
use core::ptr::{read_volatile, write_volatile};

use agent_ebpf::{Counted, CpuCounters, CpuState, SLOT_IDLE, UNREADABLE};
use aya_ebpf::bindings::{BPF_F_CURRENT_CPU, bpf_perf_event_value};
use aya_ebpf::helpers::generated::{bpf_perf_event_read, bpf_perf_event_read_value};

use crate::account::cell_of;
use crate::layout::{COUNTERS, SHARED_SHARDS};
use crate::maps::{COUNTED, CYCLES, INSTRUCTIONS};

/// From here on what `bpf_perf_event_read` returns is an error (`MAX_ERRNO`, include/linux/err.h).
const FIRST_ERROR: u64 = 4_095_u64.wrapping_neg();

/// Whether the agent has opened counters. Where it has not, the verifier removes what depends on it.
#[inline(always)]
pub(crate) fn are_open() -> bool {
    COUNTERS.load() != 0
}

/// Charges what was counted since the CPU's last switch to who leaves. Of the idle task it is nobody's.
///
/// # Safety
/// `state` is the state of the CPU that this runs on, whose `sequence` is odd.
#[inline(never)]
pub(crate) unsafe fn count(state: *mut CpuState, leaving: u32) {
    let mut now = Counted::default();
    let times = read(&mut now);
    let (enabled_now, running_now) = times.unwrap_or((UNREADABLE, 0));
    // SAFETY: `state` points into CPUS, and no other CPU writes these fields while it makes switches.
    unsafe {
        let CpuCounters { at_switch: was, enabled_ns, running_ns, .. } = (*state).counters;
        (*state).counters.at_switch = now;
        (*state).counters.enabled_ns = enabled_now;
        (*state).counters.running_ns = running_now;
        if enabled_ns == 0 {
            // The CPU's first switch: nobody's time begins before it.
            return;
        }
        let ran = running_now.wrapping_sub(running_ns);
        let is_whole = times.is_some() && ran.cast_signed() > 0 && ran == enabled_now.wrapping_sub(enabled_ns);
        if !is_whole {
            (*state).counters.unknown_slices += 1;
            return;
        }
        let cycles = now.cycles.wrapping_sub(was.cycles);
        let instructions = now.instructions.wrapping_sub(was.instructions);
        charge(state, leaving, Counted { cycles, instructions });
    }
}

/// Who leaves is not who was seen to come: what the agent has handed out with the windows before stays with the one who
/// was, and the rest goes to who leaves.
///
/// # Safety
/// As for [`count`].
#[inline(never)]
pub(crate) unsafe fn split(state: *mut CpuState) {
    // SAFETY: `state` points into CPUS, and no other CPU writes these fields but the agent's, whole words at any time.
    unsafe {
        let CpuCounters { at_switch: was, enabled_ns, .. } = (*state).counters;
        if enabled_ns == 0 || enabled_ns == UNREADABLE {
            return;
        }
        let handed_out = &raw const (*state).counters.handed_out;
        // What was handed out of an earlier slice is less than where this one began.
        let cycles = was.cycles.max(read_volatile(&raw const (*handed_out).cycles));
        let instructions = was.instructions.max(read_volatile(&raw const (*handed_out).instructions));
        (*state).counters.at_switch = Counted { cycles, instructions };
        let others = Counted { cycles: cycles - was.cycles, instructions: instructions - was.instructions };
        charge(state, (*state).slot, others);
    }
}

/// Reads this CPU's counters; for how long they were enabled and running, nanoseconds.
#[inline(always)]
fn read(counts: &mut Counted) -> Option<(u64, u64)> {
    let mut cycles = bpf_perf_event_value { counter: 0, enabled: 0, running: 0 };
    // SAFETY: the map is one of perf events, and the kernel writes as many bytes as the value has.
    let failed = unsafe {
        let size = size_of::<bpf_perf_event_value>() as u32;
        bpf_perf_event_read_value((&raw const CYCLES).cast_mut().cast(), BPF_F_CURRENT_CPU, &raw mut cycles, size)
    };
    if failed != 0 {
        return None;
    }
    // They are one group, and run together or not at all. To ask for the times again would be another look at a clock.
    // SAFETY: the map is one of perf events.
    let instructions = unsafe { bpf_perf_event_read((&raw const INSTRUCTIONS).cast_mut().cast(), BPF_F_CURRENT_CPU) };
    if instructions >= FIRST_ERROR {
        return None;
    }
    *counts = Counted { cycles: cycles.counter, instructions };
    Some((cycles.enabled, cycles.running))
}

#[inline(always)]
fn charge(state: *const CpuState, slot: u32, counts: Counted) {
    if slot == SLOT_IDLE {
        return;
    }
    let Some(cell) = COUNTED.get_ptr_mut(cell_of(state, slot)) else { return };
    // SAFETY: the cell lies in COUNTED. Where several CPUs share it the additions are atomic; else nobody else writes it.
    unsafe {
        let (cycles, instructions) = (&raw mut (*cell).cycles, &raw mut (*cell).instructions);
        if SHARED_SHARDS.load() == 0 {
            write_volatile(cycles, read_volatile(cycles) + counts.cycles);
            write_volatile(instructions, read_volatile(instructions) + counts.instructions);
        } else {
            atomic_xadd::<u64, u64, { AtomicOrdering::Relaxed }>(cycles, counts.cycles);
            atomic_xadd::<u64, u64, { AtomicOrdering::Relaxed }>(instructions, counts.instructions);
        }
    }
}
