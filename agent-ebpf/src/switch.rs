//! The context switch. Of the three programs one is attached: the first that the kernel takes.

use core::ptr::read_volatile;

use agent_ebpf::{
    CACHE_ENTRIES, CacheEntry, ConsumerKey, CpuState, FLAG_KERNEL_THREAD, SLOT_IDLE, SLOT_OVERFLOW, SLOT_UNKNOWN,
};
use aya_ebpf::helpers::{
    bpf_get_current_comm, bpf_get_current_pid_tgid, generated::bpf_get_current_cgroup_id, generated::bpf_ktime_get_ns,
};
use aya_ebpf::programs::TracePointContext;

use crate::account::{mark, switch, this_cpu};
use crate::layout::{PF_KTHREAD, SWITCH_NEXT_PID};
use crate::slots::{find, hand_out};
use crate::task::{Reader, Task};

/// With the task that comes next at hand (`tp_btf`, `raw_tp`): its slot is found now and published, so that the agent
/// knows who runs even while nobody switches, and the leaving task's slot is known from the switch before.
///
/// # Safety
/// `next` is the `task_struct` that the tracepoint names.
#[inline(always)]
pub(crate) unsafe fn with_next<R: Reader>(next: *const u8) -> Option<()> {
    // SAFETY: a helper without arguments.
    let now = unsafe { bpf_ktime_get_ns() };
    let state = this_cpu()?;
    // SAFETY: by this function's contract.
    let next = unsafe { Task::<R>::new(next) };
    let tid = next.tid();
    let slot = if tid == 0 {
        SLOT_IDLE
    } else {
        // SAFETY: `state` points into CPUS, and only this CPU touches its cache.
        let entry = unsafe { &mut (*state).cache[tid as usize & (CACHE_ENTRIES - 1)] };
        let (css_set, start) = (next.css_set() as u64, next.start());
        // SAFETY: as above; both are whole words, written elsewhere at any time.
        let (epoch, generation) =
            unsafe { (read_volatile(&raw const (*state).epoch), read_volatile(&raw const (*state).generation)) };
        if entry.tid == tid && entry.start == start && entry.css_set == css_set && entry.generation == generation {
            // Once a window is enough: time is charged later, and the agent looks at open slices by itself.
            if entry.marked_in != epoch {
                entry.marked_in = epoch;
                mark(state, entry.slot);
            }
            entry.slot
        } else {
            let slot = look_up(&next);
            mark(state, slot);
            if slot == SLOT_OVERFLOW {
                // SAFETY: as above. Not remembered: a slot may be free the next time.
                unsafe { (*state).overflows += 1 };
            } else {
                *entry = CacheEntry { css_set, start, tid, slot, generation, marked_in: epoch };
            }
            slot
        }
    };
    // SAFETY: `sched_switch` runs with interrupts off; the slot was written by this CPU's switch before.
    unsafe { switch(state, now, (*state).slot, slot) };
    Some(())
}

#[inline(always)]
fn look_up<R: Reader>(task: &Task<R>) -> u32 {
    let leader = task.leader();
    let key = ConsumerKey { cgroup: task.cgroup(), start: leader.start(), tgid: task.tgid(), padding: 0 };
    find(&key).unwrap_or_else(|| {
        hand_out(&key, |info| {
            info.parent = leader.parent().tgid();
            info.comm = leader.comm();
            if task.flags() & PF_KTHREAD != 0 {
                info.flags |= FLAG_KERNEL_THREAD;
            }
        })
    })
}

/// Without the kernel's layout (plain tracepoint): the leaving task is the current one, which the helpers describe; of
/// the next one only the thread id is known.
#[inline(always)]
pub(crate) fn with_helpers(context: &TracePointContext) -> Option<()> {
    // SAFETY: a helper without arguments.
    let now = unsafe { bpf_ktime_get_ns() };
    let state = this_cpu()?;
    let leaving = current_slot(state);
    if leaving != SLOT_IDLE {
        mark(state, leaving);
    }
    // SAFETY: the offset comes from the tracepoint's own format file.
    let next_tid: u32 = unsafe { context.read_at(SWITCH_NEXT_PID.load() as usize) }.ok()?;
    let next = if next_tid == 0 { SLOT_IDLE } else { SLOT_UNKNOWN };
    // SAFETY: `sched_switch` runs with interrupts off.
    unsafe { switch(state, now, leaving, next) };
    Some(())
}

#[inline(always)]
fn current_slot(state: *mut CpuState) -> u32 {
    let id = bpf_get_current_pid_tgid();
    if id as u32 == 0 {
        return SLOT_IDLE;
    }
    // SAFETY: a helper without arguments.
    let cgroup = unsafe { bpf_get_current_cgroup_id() };
    let key = ConsumerKey { cgroup, start: 0, tgid: (id >> 32) as u32, padding: 0 };
    let slot =
        find(&key).unwrap_or_else(|| hand_out(&key, |info| info.comm = bpf_get_current_comm().unwrap_or_default()));
    if slot == SLOT_OVERFLOW {
        // SAFETY: `state` points into CPUS, and only this CPU writes to it.
        unsafe { (*state).overflows += 1 };
    }
    slot
}
