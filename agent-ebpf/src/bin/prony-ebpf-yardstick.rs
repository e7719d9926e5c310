//! Yardsticks for `cargo xtask bench switch`: the least that a program on `sched_switch` can cost. No part of the agent.

#![no_std]
#![no_main]
#![expect(missing_docs, unreachable_pub, reason = "what the entry macros make")]

use aya_ebpf::helpers::generated::bpf_ktime_get_ns;
use aya_ebpf::macros::{btf_tracepoint, map};
use aya_ebpf::maps::PerCpuArray;
use aya_ebpf::programs::BtfTracePointContext;

#[map]
static LAST: PerCpuArray<u64> = PerCpuArray::with_max_entries(1, 0);

/// Nothing at all.
#[btf_tracepoint(function = "sched_switch")]
pub fn yardstick_empty(_context: BtfTracePointContext) -> i32 {
    0
}

/// Reads the clock and keeps it.
#[btf_tracepoint(function = "sched_switch")]
pub fn yardstick_clock(_context: BtfTracePointContext) -> i32 {
    if let Some(last) = LAST.get_ptr_mut(0) {
        // SAFETY: the element is this CPU's own.
        unsafe { *last = bpf_ktime_get_ns() };
    }
    0
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
