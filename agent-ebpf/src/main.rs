//! Prony's kernel programs: CPU time at every context switch, and what starts and ends.
//!
//! Only entry points here. Each returns 0; what they do is in the modules.

#![no_std]
#![no_main]
// The bpf target has no stable atomic addition; the object is built with RUSTC_BOOTSTRAP=1 for `build-std` anyway.
#![expect(internal_features, reason = "atomic_xadd is an intrinsic")]
#![feature(core_intrinsics)]
#![expect(missing_docs, unreachable_pub, clippy::needless_pass_by_value, reason = "what the entry macros make")]
#![expect(
    clippy::inline_always,
    reason = "calls between kernel programs are limited in number, arguments and kernel versions"
)]

mod account;
mod counters;
mod layout;
mod lifecycle;
mod maps;
mod slots;
mod switch;
mod task;

use agent_ebpf::{EVENT_CGROUP_MADE, EVENT_CGROUP_REMOVED};
use aya_ebpf::macros::{btf_tracepoint, raw_tracepoint, tracepoint};
use aya_ebpf::programs::{BtfTracePointContext, RawTracePointContext, TracePointContext};

use crate::task::{Probing, Trusted};

/// `sched_switch(preempt, prev, next, ...)` with typed arguments. Kernel 5.5 with BTF.
#[btf_tracepoint(function = "sched_switch")]
pub fn switch_tp_btf(context: BtfTracePointContext) -> i32 {
    // SAFETY: the tracepoint's second argument is the task that leaves, the third the one that comes.
    unsafe { switch::with_tasks::<Trusted>(context.arg(1), context.arg(2)) };
    0
}

/// The same with untyped arguments. Kernel 4.17, and the kernel's BTF from a file.
#[raw_tracepoint(tracepoint = "sched_switch")]
pub fn switch_raw_tp(context: RawTracePointContext) -> i32 {
    // SAFETY: the tracepoint's second argument is the task that leaves, the third the one that comes.
    unsafe { switch::with_tasks::<Probing>(context.arg(1), context.arg(2)) };
    0
}

/// The same without any knowledge of the kernel's layout. Needs tracefs.
#[tracepoint(category = "sched", name = "sched_switch")]
pub fn switch_tracepoint(context: TracePointContext) -> u32 {
    switch::with_helpers(&context);
    0
}

/// A process runs another program.
#[raw_tracepoint(tracepoint = "sched_process_exec")]
pub fn process_exec(context: RawTracePointContext) -> i32 {
    lifecycle::exec(&context);
    0
}

/// A thread ends.
#[raw_tracepoint(tracepoint = "sched_process_exit")]
pub fn process_exit(_context: RawTracePointContext) -> i32 {
    lifecycle::exit();
    0
}

/// A task gets another name.
#[raw_tracepoint(tracepoint = "task_rename")]
pub fn process_rename(context: RawTracePointContext) -> i32 {
    lifecycle::rename(&context);
    0
}

/// A process or thread is moved to another cgroup. Must be attached before `switch_tp_btf` and `switch_raw_tp`.
#[raw_tracepoint(tracepoint = "cgroup_attach_task")]
pub fn process_moved(context: RawTracePointContext) -> i32 {
    slots::forget_remembered();
    // Its arguments are the cgroup, its path and the task.
    switch::moved(context.arg(2));
    0
}

/// A cgroup is made.
#[raw_tracepoint(tracepoint = "cgroup_mkdir")]
pub fn cgroup_made(context: RawTracePointContext) -> i32 {
    lifecycle::cgroup(&context, EVENT_CGROUP_MADE);
    0
}

/// A cgroup is removed.
#[raw_tracepoint(tracepoint = "cgroup_rmdir")]
pub fn cgroup_removed(context: RawTracePointContext) -> i32 {
    lifecycle::cgroup(&context, EVENT_CGROUP_REMOVED);
    0
}

/// Not attached to anything: the agent runs it itself (`BPF_PROG_TEST_RUN`, kernel 5.10), to give many slots back in one
/// call. Its argument is how many.
#[raw_tracepoint]
pub fn free_slots(context: RawTracePointContext) -> i32 {
    slots::free_returned(context.arg(0))
}

/// Not attached to anything: the agent runs it on a CPU whose slice has been open for long (`BPF_PROG_TEST_RUN` on a CPU,
/// kernel 5.10), since a switch that was not reported would stay unnoticed until the next. Returns whether there was one.
#[raw_tracepoint]
pub fn check_occupant(_context: RawTracePointContext) -> i32 {
    i32::from(switch::check_occupant().is_some())
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
