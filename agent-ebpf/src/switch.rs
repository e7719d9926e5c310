//! The context switch. Of the three programs one is attached: the first that the kernel takes.

use core::ptr::read_volatile;

use agent_ebpf::{
    CACHE_ENTRIES, CacheEntry, ConsumerKey, CpuState, FLAG_KERNEL_THREAD, SLOT_IDLE, SLOT_OVERFLOW, SLOT_UNKNOWN,
};
use aya_ebpf::helpers::{
    bpf_get_current_comm, bpf_get_current_pid_tgid, generated::bpf_get_current_cgroup_id,
    generated::bpf_get_current_task, generated::bpf_ktime_get_ns,
};
use aya_ebpf::programs::TracePointContext;

use crate::account::{Switch, mark, switch, this_cpu};
use crate::layout::{PF_KTHREAD, SWITCH_NEXT_PID};
use crate::slots::{find, hand_out};
use crate::task::{Probing, Reader, Task};

/// With both tasks at hand (`tp_btf`, `raw_tp`): the slot of the one that comes is found now and published, so that the
/// agent knows who runs even while nobody switches, and the leaving task's slot is known from the switch before.
///
/// # Safety
/// `leaving` and `next` are the `task_struct`s that the tracepoint names.
#[inline(always)]
pub(crate) unsafe fn with_tasks<R: Reader>(leaving: *const u8, next: *const u8) -> Option<()> {
    // SAFETY: a helper without arguments.
    let now_ns = unsafe { bpf_ktime_get_ns() };
    let state = this_cpu()?;
    // SAFETY: by this function's contract; `state` points into CPUS, and only this CPU writes these fields.
    unsafe {
        let (slot, others_until_ns) = if (*state).task == leaving as u64 {
            ((*state).slot, 0)
        } else {
            (unreported::<R>(state, leaving), read_volatile(&raw const (*state).window_ns))
        };
        let next_slot = slot_of(state, &Task::<R>::new(next));
        let switch_now = Switch { now_ns, leaving: slot, others_until_ns, next: next_slot, next_task: next as u64 };
        switch(state, &switch_now);
    }
    Some(())
}

/// A task was moved to another cgroup. One that has moved itself goes on there at once; another one does when it is
/// switched to.
#[inline(always)]
pub(crate) fn moved(task: *const u8) -> Option<()> {
    // SAFETY: a helper without arguments.
    let current = unsafe { bpf_get_current_task() };
    let state = this_cpu()?;
    // SAFETY: `state` points into CPUS, and this CPU makes no switch meanwhile: tracepoints run with preemption off.
    if task as u64 != current || unsafe { (*state).task } != current {
        return None;
    }
    // SAFETY: the current task lives.
    unsafe { with_tasks::<Probing>(task, task) }
}

/// Makes sure that who was seen to come runs (`None`); else the slice is ended as if a switch had been reported now.
#[inline(always)]
pub(crate) fn check_occupant() -> Option<()> {
    let state = this_cpu()?;
    // SAFETY: a helper without arguments.
    let current = unsafe { bpf_get_current_task() };
    // SAFETY: `state` points into CPUS, and this CPU makes no switch meanwhile.
    if unsafe { (*state).task } == current {
        return None;
    }
    let current = current as *const u8;
    // SAFETY: the current task lives while it is interrupted.
    unsafe { with_tasks::<Probing>(current, current) }
}

/// Somebody else leaves than was seen to come: the kernel did not report a switch in between (seen on a 6.18 with
/// patches of its own, some of ten thousand). Whoever leaves now has most likely had the CPU since shortly after; what
/// earlier windows have already given to the one before stays with that one.
#[cold]
#[inline(never)]
unsafe fn unreported<R: Reader>(state: *mut CpuState, leaving: *const u8) -> u32 {
    // SAFETY: `state` points into CPUS, and only this CPU writes this field; `leaving` is a task.
    unsafe {
        if (*state).since_ns != 0 {
            (*state).unreported += 1;
        }
        let leaving = Task::<R>::new(leaving);
        if leaving.tid() == 0 { SLOT_IDLE } else { look_up::<R>(state, &leaving) }
    }
}

#[inline(always)]
fn slot_of<R: Reader>(state: *mut CpuState, task: &Task<R>) -> u32 {
    let tid = task.tid();
    if tid == 0 {
        return SLOT_IDLE;
    }
    // SAFETY: `state` points into CPUS, and only this CPU touches its cache.
    let entry = unsafe { &mut (*state).cache[tid as usize & (CACHE_ENTRIES - 1)] };
    let (css_set, start) = (task.css_set() as u64, task.start());
    // SAFETY: as above; both are whole words, written elsewhere at any time.
    let (epoch, generation) =
        unsafe { (read_volatile(&raw const (*state).epoch), read_volatile(&raw const (*state).generation)) };
    if entry.tid == tid && entry.start == start && entry.css_set == css_set && entry.generation == generation {
        // Once a window is enough: time is charged later, and the agent looks at open slices by itself.
        if entry.marked_in != epoch {
            entry.marked_in = epoch;
            mark(state, entry.slot);
        }
        return entry.slot;
    }
    let slot = look_up_far::<R>(state, task.address());
    if slot != SLOT_OVERFLOW {
        // A task in overflow is not remembered: a slot may be free the next time.
        *entry = CacheEntry { css_set, start, tid, slot, generation, marked_in: epoch };
    }
    slot
}

/// [`look_up`] as a function of its own, so that the common way through a switch keeps its registers.
#[cold]
#[inline(never)]
fn look_up_far<R: Reader>(state: *mut CpuState, task: *const u8) -> u32 {
    // SAFETY: the caller's task.
    let task = unsafe { Task::<R>::new(task) };
    look_up(state, &task)
}

/// The slot of a task, a new one if it has none, with a mark.
#[inline(always)]
fn look_up<R: Reader>(state: *mut CpuState, task: &Task<R>) -> u32 {
    let leader = task.leader();
    let key = ConsumerKey { cgroup: task.cgroup(), start: leader.start(), tgid: task.tgid(), padding: 0 };
    let slot = find(&key).unwrap_or_else(|| {
        hand_out(&key, |info| {
            info.parent = leader.parent().tgid();
            info.comm = leader.comm();
            if task.flags() & PF_KTHREAD != 0 {
                info.flags |= FLAG_KERNEL_THREAD;
            }
        })
    });
    mark(state, slot);
    if slot == SLOT_OVERFLOW {
        // SAFETY: `state` points into CPUS, and only this CPU writes this field.
        unsafe { (*state).overflows += 1 };
    }
    slot
}

/// Without the kernel's layout (plain tracepoint): the leaving task is the current one, which the helpers describe; of
/// the next one only the thread id is known.
#[inline(always)]
pub(crate) fn with_helpers(context: &TracePointContext) -> Option<()> {
    // SAFETY: a helper without arguments.
    let now_ns = unsafe { bpf_ktime_get_ns() };
    let state = this_cpu()?;
    let leaving = current_slot(state);
    if leaving != SLOT_IDLE {
        mark(state, leaving);
    }
    // SAFETY: the offset comes from the tracepoint's own format file.
    let next_tid: u32 = unsafe { context.read_at(SWITCH_NEXT_PID.load() as usize) }.ok()?;
    let next = if next_tid == 0 { SLOT_IDLE } else { SLOT_UNKNOWN };
    // SAFETY: `sched_switch` runs with interrupts off.
    unsafe { switch(state, &Switch { now_ns, leaving, others_until_ns: 0, next, next_task: 0 }) };
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
