//! The CPU time of threads between what they read and what they send.
//!
//! What a thread has run since it read a request belongs to that request; what it has run before it sends a response
//! belongs to that response's request. So one thread may work on many connections in turn, and a request may be handed
//! over to another thread, whose time counts since it last woke up.

use agent_ebpf::{REQUEST_HANDED_OVER, Request, Running, ThreadState};
use aya_ebpf::helpers::bpf_get_current_pid_tgid;
use aya_ebpf::helpers::generated::{bpf_get_current_cgroup_id, bpf_get_current_task, bpf_ktime_get_ns};

use crate::layout::{SOCK_COOKIE, TASK_PID, TASK_STATE, TASK_TGID, field, probe};
use crate::maps::{RUNNING, THREADS, is_server, set_server};
use crate::requests;

/// `BPF_NOEXIST` (include/uapi/linux/bpf.h).
const NOEXIST: u64 = 1;

/// A context switch: the slice that ends is added to the thread that leaves, where it belongs to a process that reads
/// requests.
///
/// # Safety
/// Both are the `task_struct`s that the tracepoint names.
#[inline(always)]
pub(crate) unsafe fn switch(leaving: *const u8, next: *const u8) -> Option<()> {
    // SAFETY: fields of tasks, by this function's contract.
    let (process, next_process): (u32, u32) = unsafe { (field(leaving, &TASK_TGID), field(next, &TASK_TGID)) };
    let leaves = is_server(process);
    if !leaves && !is_server(next_process) {
        return None;
    }
    // SAFETY: a helper without arguments.
    let now_ns = unsafe { bpf_ktime_get_ns() };
    // SAFETY: the element is this CPU's, and a switch is not interrupted; fields as above.
    let before = unsafe {
        let running = &mut *RUNNING.get_ptr_mut(0)?;
        core::mem::replace(running, Running { since_ns: now_ns, tid: field(next, &TASK_PID), padding: 0 })
    };
    if !leaves {
        return None;
    }
    // SAFETY: fields as above.
    let (tid, waits) = unsafe { (field::<u32>(leaving, &TASK_PID), field::<u32>(leaving, &TASK_STATE) != 0) };
    let thread = state_of(tid)?;
    if waits && thread.open == 0 {
        // Whatever it did last, it has done: what it does when it wakes up is something else.
        thread.gathered_ns = 0;
    } else if before.tid == tid {
        thread.gathered_ns += now_ns.saturating_sub(before.since_ns.max(thread.boundary_ns));
    }
    // Else a switch was not reported, and nobody knows since when it has run.
    Some(())
}

/// The running thread has taken data from a socket: if its request has not been answered, the thread works on it.
///
/// # Safety
/// `sock` is the `struct sock` that the tracepoint names.
#[inline(always)]
pub(crate) unsafe fn read(sock: *const u8) -> Option<()> {
    // SAFETY: by this function's contract; the field is an `atomic64_t`.
    let socket: u64 = unsafe { field(sock, &SOCK_COOKIE) };
    if socket == 0 {
        return None;
    }
    let request = requests::of_socket(socket)?;
    if request.response_ns != 0 {
        return None;
    }
    let id = bpf_get_current_pid_tgid();
    let (process, tid) = ((id >> 32) as u32, id as u32);
    let thread = state_of(tid)?;
    if thread.open != 0 && is_bound(thread, socket, request) {
        return None;
    }
    // SAFETY: helpers without arguments.
    let (now_ns, cgroup) = unsafe { (bpf_ktime_get_ns(), bpf_get_current_cgroup_id()) };
    if thread.open != 0 {
        credit_earlier(tid, thread, now_ns);
    }
    *thread = ThreadState {
        socket,
        request_start_ns: request.start_ns,
        boundary_ns: now_ns,
        open: 1,
        ..ThreadState::default()
    };
    request.cgroup = cgroup;
    request.tgid = process;
    request.tid = tid;
    if !is_server(process) {
        set_server(process);
        // The switch to it was of no interest yet.
        // SAFETY: the element is this CPU's.
        unsafe { *RUNNING.get_ptr_mut(0)? = Running { since_ns: now_ns, tid, padding: 0 } };
    }
    Some(())
}

/// Gives a thread's time since its last boundary to the request that it has read before.
#[inline(always)]
fn credit_earlier(tid: u32, thread: &ThreadState, now_ns: u64) -> Option<()> {
    let earlier = requests::of_socket(thread.socket)?;
    if earlier.start_ns == thread.request_start_ns && earlier.response_ns == 0 {
        earlier.on_cpu_ns += thread.gathered_ns + running_slice(tid, thread, now_ns, earlier.start_ns)?;
    }
    Some(())
}

/// A part of a response goes out on this CPU. Most often who runs has just sent it, but later parts may also go when the
/// peer has confirmed earlier ones, whoever runs then.
#[inline(always)]
pub(crate) fn sends(socket: u64, request: &mut Request, first: bool, now_ns: u64) -> Option<()> {
    let (tid, process) = current();
    if process != request.tgid || process == 0 {
        return None;
    }
    let thread = state_of(tid)?;
    let bound = is_bound(thread, socket, request);
    if !bound && !first {
        return None;
    }
    request.on_cpu_ns += thread.gathered_ns + running_slice(tid, thread, now_ns, request.start_ns)?;
    thread.gathered_ns = 0;
    thread.boundary_ns = now_ns;
    if bound {
        thread.open = 0;
        return Some(());
    }
    if thread.open == 0 {
        // It may go on sending.
        thread.socket = socket;
        thread.request_start_ns = request.start_ns;
    }
    if tid != request.tid {
        request.flags |= REQUEST_HANDED_OVER;
        take_from_reader(socket, request);
    }
    Some(())
}

/// Thread and thread group of who runs here.
#[inline(always)]
fn current() -> (u32, u32) {
    // SAFETY: a helper without arguments.
    let task = unsafe { bpf_get_current_task() } as *const u8;
    // SAFETY: the offsets are those of fields of a task.
    unsafe { (probe(task, &TASK_PID), probe(task, &TASK_TGID)) }
}

/// What the thread that has read a request did for it until it was handed over.
#[inline(always)]
fn take_from_reader(socket: u64, request: &mut Request) -> Option<()> {
    // SAFETY: as in `state_of`.
    let reader = unsafe { &mut *THREADS.get_ptr_mut(request.tid)? };
    if reader.open != 0 && is_bound(reader, socket, request) {
        request.on_cpu_ns += reader.gathered_ns;
        reader.gathered_ns = 0;
        reader.open = 0;
    }
    Some(())
}

/// How long the running thread has run since it got the CPU or had a boundary, whichever is later; where the switch to it
/// was not reported, at most since its request came.
#[inline(always)]
fn running_slice(tid: u32, thread: &ThreadState, now_ns: u64, request_start_ns: u64) -> Option<u64> {
    // SAFETY: the element is this CPU's.
    let running = unsafe { *RUNNING.get_ptr(0)? };
    let since_ns = if running.tid == tid { running.since_ns } else { request_start_ns };
    Some(now_ns.saturating_sub(since_ns.max(thread.boundary_ns)))
}

#[inline(always)]
fn is_bound(thread: &ThreadState, socket: u64, request: &Request) -> bool {
    thread.socket == socket && thread.request_start_ns == request.start_ns
}

/// What is known of a thread; of a new one nothing.
#[inline(always)]
fn state_of(tid: u32) -> Option<&'static mut ThreadState> {
    let state = if let Some(state) = THREADS.get_ptr_mut(tid) {
        state
    } else {
        // Where another CPU was faster, its entry stays.
        let _ = THREADS.insert(tid, ThreadState::default(), NOEXIST);
        THREADS.get_ptr_mut(tid)?
    };
    // SAFETY: the element lies in the map. Only the CPU that the thread runs on writes to it, but for the moment in which
    // its request is answered by another thread; then some time may be lost or counted for the next request.
    Some(unsafe { &mut *state })
}
