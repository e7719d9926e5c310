//! The context switch. Of the three programs one is attached: the first that the kernel takes.

use core::ptr::read_volatile;

use agent_ebpf::{
    CACHE_ENTRIES, CacheEntry, ConsumerKey, CpuState, FLAG_KERNEL_THREAD, SLOT_IDLE, SLOT_OVERFLOW, SLOT_UNKNOWN,
    Switch,
};
use aya_ebpf::helpers::{
    bpf_get_current_comm, bpf_get_current_pid_tgid, generated::bpf_get_current_cgroup_id,
    generated::bpf_get_current_task, generated::bpf_ktime_get_ns,
};
use aya_ebpf::programs::TracePointContext;

use crate::account::{mark, switch, this_cpu};
use crate::layout::{PF_KTHREAD, SWITCH_NEXT_PID};
use crate::slots::{find, hand_out};
use crate::task::{Probing, Reader, Task};

/// How much later than the scheduler's reading of its clock a switch may seem to be, nanoseconds. More than that is no
/// delay but time that a hypervisor took.
const MOST_LATE_NS: u64 = 100_000;

/// A slice so long that looking at the clock after it costs next to nothing, nanoseconds.
const LONG_NS: u64 = 100_000;

/// With both tasks at hand (`tp_btf`, `raw_tp`): the slot of the one that comes is found now and published, so that the
/// agent knows who runs even while nobody switches, and the leaving task's slot is known from the switch before.
///
/// # Safety
/// `leaving` and `next` are the `task_struct`s that the tracepoint names.
#[inline(always)]
pub(crate) unsafe fn with_tasks<R: Reader>(leaving: *const u8, next: *const u8) -> Option<()> {
    let state = this_cpu()?;
    // SAFETY: by this function's contract; `state` points into CPUS.
    unsafe {
        let billed_until = Task::<R>::new(leaving).billed_until().max(Task::<R>::new(next).billed_until());
        let at_ns = on_our_clock(state, billed_until);
        hand_over::<R>(state, at_ns, leaving, next);
    }
    Some(())
}

/// Ends the slice of who leaves at `at_ns`, and begins that of who comes.
///
/// # Safety
/// As for [`with_tasks`]; `state` is that of the CPU that this runs on.
#[inline(always)]
unsafe fn hand_over<R: Reader>(state: *mut CpuState, at_ns: u64, leaving: *const u8, next: *const u8) {
    // SAFETY: by this function's contract; `state` points into CPUS, and only this CPU writes these fields.
    unsafe {
        let (slot, others_until_ns) =
            if (*state).task == leaving as u64 { ((*state).slot, 0) } else { unreported::<R>(state, at_ns, leaving) };
        let next_slot = slot_of(state, &Task::<R>::new(next));
        let next_task = next as u64;
        let switch_now = Switch { at_ns, leaving: slot, others_until_ns, next: next_slot, next_task, counts: true };
        switch(state, &switch_now);
    }
}

/// A moment of the scheduler's clock, at which it has let one task's time end and another's begin, on our clock.
///
/// To look at our clock would take longer than all the rest, so that is done after slices that were long, and every 64th
/// time; also if the scheduler's clock stands still or goes back.
#[inline(always)]
fn on_our_clock(state: *mut CpuState, scheduler_ns: u64) -> u64 {
    // SAFETY: `state` points into CPUS, and only this CPU writes these fields.
    let (sequence, since_ns, behind_ns) =
        unsafe { ((*state).sequence, (*state).since_ns, (*state).scheduler_behind_ns) };
    let at_ns = scheduler_ns.wrapping_add(behind_ns);
    let moved_on = (1..LONG_NS).contains(&at_ns.wrapping_sub(since_ns));
    if moved_on && sequence & (2 * 64 - 1) != 0 { at_ns } else { look_at_clock(state, scheduler_ns) }
}

/// [`on_our_clock`], after finding out how far the scheduler's clock is behind ours.
///
/// That changes slowly, by what hypervisor and interrupts take, which the scheduler's clock leaves out. It is the smallest
/// distance of late: at a wake-up the scheduler reads its clock, and bills the woken task from then on if it preempts
/// (`rq_clock_skip_update`, kernel/sched/core.c), but the switch, and our look, come when the interrupt has been handled.
/// On a virtual machine 10 to 30 us are common.
#[inline(never)]
fn look_at_clock(state: *mut CpuState, scheduler_ns: u64) -> u64 {
    // SAFETY: a helper without arguments; `state` points into CPUS, and only this CPU writes this field.
    let (now_ns, behind_ns) = unsafe { (bpf_ktime_get_ns(), &mut (*state).scheduler_behind_ns) };
    let distance = now_ns.wrapping_sub(scheduler_ns);
    let late = distance.wrapping_sub(*behind_ns);
    if late > MOST_LATE_NS {
        *behind_ns = distance;
        return now_ns;
    }
    *behind_ns += late / 8;
    now_ns - late
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
    // SAFETY: a helper without arguments; the current task lives.
    unsafe { hand_over::<Probing>(state, bpf_ktime_get_ns(), task, task) };
    Some(())
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
    // SAFETY: a helper without arguments; the current task lives while it is interrupted.
    unsafe { hand_over::<Probing>(state, bpf_ktime_get_ns(), current, current) };
    Some(())
}

/// Somebody else leaves than was seen to come: the kernel did not report a switch in between (seen on a 6.18 with
/// patches of its own, some of ten thousand). The scheduler knows since when who leaves has had the CPU, but for the idle
/// task and real-time tasks: those are taken to have come at once. What earlier windows have already given to the one
/// before stays with that one. Returns the slot of who leaves, and until when the slice was somebody else's.
#[cold]
#[inline(never)]
unsafe fn unreported<R: Reader>(state: *mut CpuState, at_ns: u64, leaving: *const u8) -> (u32, u64) {
    // SAFETY: `state` points into CPUS, and only this CPU writes this field; `leaving` is a task.
    unsafe {
        if (*state).since_ns != 0 {
            (*state).unreported += 1;
        }
        let leaving = Task::<R>::new(leaving);
        let window_ns = read_volatile(&raw const (*state).window_ns);
        if leaving.tid() == 0 {
            return (SLOT_IDLE, window_ns);
        }
        let came = leaving.billed_until().wrapping_sub(leaving.billed_since_it_came());
        let came_ns = came.wrapping_add((*state).scheduler_behind_ns);
        (look_up::<R>(state, &leaving), came_ns.clamp(window_ns, at_ns.max(window_ns)))
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
    let switch_now = Switch { at_ns: now_ns, leaving, others_until_ns: 0, next, next_task: 0, counts: false };
    // SAFETY: `sched_switch` runs with interrupts off.
    unsafe { switch(state, &switch_now) };
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
