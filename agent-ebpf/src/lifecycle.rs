//! What starts, ends and changes its name. These programs run rarely; they read the kernel by probing.

use agent_ebpf::{
    CGROUP_PATH_BYTES, CgroupEvent, ConsumerKey, EVENT_EXEC, EVENT_EXIT, EXEC_PATH_BYTES, ExecEvent, ExitEvent,
};
use aya_ebpf::helpers::generated::{bpf_get_current_task, bpf_ktime_get_ns};
use aya_ebpf::helpers::{
    bpf_get_current_comm, bpf_get_current_pid_tgid, bpf_probe_read_kernel_str_bytes,
    generated::bpf_get_current_cgroup_id,
};
use aya_ebpf::programs::RawTracePointContext;
use aya_log_ebpf::debug;

use crate::account::this_cpu;
use crate::layout::{
    BINPRM_FILENAME, CGROUP_NODE, CGROUP_ROOT, LAYOUT_KNOWN, NODE_ID, ROOT_HIERARCHY, SIGNAL_LIVE, TASK_SIGNAL,
};
use crate::maps::{EVENTS, INFO};
use crate::slots::find;
use crate::task::{Probing, Reader, Task};

/// `BPF_RB_NO_WAKEUP` (include/uapi/linux/bpf.h): the agent reads the ring at the end of its windows, never earlier.
const NO_WAKEUP: u64 = 1;

/// The process that runs, by helpers and, where the layout is known, its start.
struct Current {
    tgid: u32,
    tid: u32,
    start: u64,
}

impl Current {
    #[inline(always)]
    fn get() -> Self {
        let id = bpf_get_current_pid_tgid();
        let start = if LAYOUT_KNOWN.load() == 0 { 0 } else { Self::task().leader().start() };
        Self { tgid: (id >> 32) as u32, tid: id as u32, start }
    }

    #[inline(always)]
    fn task() -> Task<Probing> {
        // SAFETY: the helper returns the running task.
        unsafe { Task::new(bpf_get_current_task() as *const u8) }
    }
}

#[inline(always)]
fn lost_event() {
    debug!(&(), "the ring is full: an event is lost");
    if let Some(state) = this_cpu() {
        // SAFETY: `state` is this CPU's. An interrupt between load and store can lose a count of losses, nothing else.
        unsafe { (*state).lost_events += 1 };
    }
}

/// `sched_process_exec(task, old_pid, binprm)`: the new command name goes to the slot, the path to the ring.
#[inline(always)]
pub(crate) fn exec(context: &RawTracePointContext) -> Option<()> {
    let current = Current::get();
    rename_current(&current);
    let Some(mut entry) = EVENTS.reserve::<ExecEvent>(0) else {
        lost_event();
        return None;
    };
    let event = entry.as_mut_ptr();
    // SAFETY: the entry is ours until it is submitted; every field is written before that.
    unsafe {
        (*event).kind = EVENT_EXEC;
        (*event).tgid = current.tgid;
        (*event).at_ns = bpf_ktime_get_ns();
        (*event).start = current.start;
        (*event).path[0] = 0;
        if LAYOUT_KNOWN.load() != 0 {
            let binprm: *const u8 = context.arg(2);
            let filename: usize = Probing::read(binprm, BINPRM_FILENAME.load());
            let path: &mut [u8; EXEC_PATH_BYTES] = &mut (*event).path;
            let _ = bpf_probe_read_kernel_str_bytes(filename as *const u8, path);
        }
    }
    entry.submit(NO_WAKEUP);
    Some(())
}

#[inline(always)]
fn rename_current(current: &Current) {
    // SAFETY: a helper without arguments.
    let cgroup = unsafe { bpf_get_current_cgroup_id() };
    let key = ConsumerKey { cgroup, start: current.start, tgid: current.tgid, padding: 0 };
    if let (Some(slot), Ok(comm)) = (find(&key), bpf_get_current_comm()) {
        set_comm(slot, comm);
    }
}

#[inline(always)]
fn set_comm(slot: u32, comm: [u8; 16]) {
    if let Some(info) = INFO.get_ptr_mut(slot) {
        // SAFETY: the slot belongs to a living process; a reader that sees half of the name sees all of it next time.
        unsafe { (*info).comm = comm };
    }
}

/// `task_rename(task, comm)`: a process named itself (`prctl`) or was named (`/proc/PID/comm`). Names of threads other
/// than the first do not count.
#[inline(always)]
pub(crate) fn rename(context: &RawTracePointContext) -> Option<()> {
    // SAFETY: the tracepoint's first argument is the task that gets a new name.
    let task = unsafe { Task::<Probing>::new(context.arg(0)) };
    if task.tid() != task.tgid() {
        return None;
    }
    let key = ConsumerKey { cgroup: task.cgroup(), start: task.start(), tgid: task.tgid(), padding: 0 };
    let comm: *const u8 = context.arg(1);
    let mut name = [0; 16];
    // SAFETY: the helper checks the address itself.
    unsafe { bpf_probe_read_kernel_str_bytes(comm, &mut name) }.ok()?;
    set_comm(find(&key)?, name);
    Some(())
}

/// `sched_process_exit(task)`: said once, when the last thread ends. Without the kernel's layout it is said when the
/// first thread ends, which is the last one in nearly every program.
#[inline(always)]
pub(crate) fn exit() -> Option<()> {
    let current = Current::get();
    let last = if LAYOUT_KNOWN.load() == 0 {
        current.tid == current.tgid
    } else {
        let signal = Current::task().follow(TASK_SIGNAL.load());
        // SAFETY: `signal` is the running task's `signal_struct`, alive until the task is reaped.
        unsafe { Probing::read::<u32>(signal, SIGNAL_LIVE.load()) == 0 }
    };
    if !last {
        return None;
    }
    let Some(mut entry) = EVENTS.reserve::<ExitEvent>(0) else {
        lost_event();
        return None;
    };
    // SAFETY: a helper without arguments.
    let at_ns = unsafe { bpf_ktime_get_ns() };
    entry.write(ExitEvent { kind: EVENT_EXIT, tgid: current.tgid, at_ns, start: current.start });
    entry.submit(NO_WAKEUP);
    Some(())
}

/// `cgroup_mkdir(cgroup, path)` and `cgroup_rmdir(cgroup, path)`, of the v2 hierarchy.
#[inline(always)]
pub(crate) fn cgroup(context: &RawTracePointContext, kind: u32) -> Option<()> {
    let cgroup: *const u8 = context.arg(0);
    // SAFETY: the tracepoint's first argument is a cgroup; the offsets are those of its fields.
    let id: u64 = unsafe {
        let root = Probing::read::<usize>(cgroup, CGROUP_ROOT.load()) as *const u8;
        if Probing::read::<u32>(root, ROOT_HIERARCHY.load()) != 0 {
            return None;
        }
        let node = Probing::read::<usize>(cgroup, CGROUP_NODE.load()) as *const u8;
        Probing::read(node, NODE_ID.load())
    };
    let path: *const u8 = context.arg(1);
    let Some(mut entry) = EVENTS.reserve::<CgroupEvent>(0) else {
        lost_event();
        return None;
    };
    let event = entry.as_mut_ptr();
    // SAFETY: the entry is ours until it is submitted; every field is written before that.
    unsafe {
        (*event).kind = kind;
        (*event).at_ns = bpf_ktime_get_ns();
        (*event).cgroup = id;
        let buffer: &mut [u8; CGROUP_PATH_BYTES] = &mut (*event).path;
        (*event).path_length = match bpf_probe_read_kernel_str_bytes(path, buffer) {
            Ok(text) => i32::try_from(text.len()).unwrap_or(0) + 1,
            Err(error) => error,
        };
    }
    entry.submit(NO_WAKEUP);
    Some(())
}
