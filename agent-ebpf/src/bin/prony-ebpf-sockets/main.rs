//! Prony's second object: requests on sockets, and the CPU time of the threads that work on them. It is loaded only where
//! the configuration asks for it, so that the accounting costs the same without it.
//!
//! Only entry points here; what they do is in the modules. Packets always pass.

#![no_std]
#![no_main]
#![expect(missing_docs, unreachable_pub, clippy::needless_pass_by_value, reason = "what the entry macros make")]
#![expect(
    clippy::inline_always,
    reason = "calls between kernel programs are limited in number, arguments and kernel versions"
)]

mod layout;
mod maps;
mod packets;
mod requests;
mod segment;
mod threads;

use aya_ebpf::macros::{btf_tracepoint, cgroup_skb};
use aya_ebpf::programs::{BtfTracePointContext, SkBuffContext};

/// For a program on the packets of a cgroup: the packet goes its way.
const PASS: i32 = 1;

/// A packet for a socket of the cgroup. Kernel 4.10; the cookie is given to it from 5.x on.
#[cgroup_skb(ingress)]
pub fn socket_ingress(context: SkBuffContext) -> i32 {
    packets::ingress(&context);
    PASS
}

/// A packet from a socket of the cgroup.
#[cgroup_skb(egress)]
pub fn socket_egress(context: SkBuffContext) -> i32 {
    packets::egress(&context);
    PASS
}

/// `tcp_rcv_space_adjust(sk)`: the running thread has taken data from a socket.
#[btf_tracepoint(function = "tcp_rcv_space_adjust")]
pub fn socket_read(context: BtfTracePointContext) -> i32 {
    // SAFETY: the tracepoint's first argument is the socket.
    unsafe { threads::read(context.arg(0)) };
    0
}

/// `sched_switch(preempt, prev, next, ...)`.
#[btf_tracepoint(function = "sched_switch")]
pub fn socket_switch(context: BtfTracePointContext) -> i32 {
    // SAFETY: the tracepoint's second argument is the task that leaves, the third the one that comes.
    unsafe { threads::switch(context.arg(1), context.arg(2)) };
    0
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
