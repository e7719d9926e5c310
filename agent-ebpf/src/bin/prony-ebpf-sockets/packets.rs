//! What passes between a socket and its peer.

use core::ffi::c_void;

use agent_ebpf::Request;
use aya_ebpf::bindings::__sk_buff;
use aya_ebpf::helpers::generated::{bpf_get_socket_cookie, bpf_ktime_get_ns};
use aya_ebpf::programs::SkBuffContext;

use crate::segment::Segment;
use crate::{requests, threads};

/// The shortest request: `GET / HTTP/1.1` and a line's end.
const SHORTEST_REQUEST: u32 = 16;
/// `BPF_TCP_LISTEN` (include/uapi/linux/bpf.h)
const LISTENS: u32 = 10;

/// A packet for a socket: its request may begin.
#[inline(always)]
pub(crate) fn ingress(context: &SkBuffContext) -> Option<()> {
    let segment = Segment::of(context)?;
    if segment.resets() {
        let socket = cookie(context);
        requests::end(socket, requests::of_socket(socket)?);
        return None;
    }
    if segment.payload < SHORTEST_REQUEST {
        return None;
    }
    let method = method_length(segment.beginning()?)?;
    // Data with the last packet of the handshake: the connection's own socket is not there yet.
    if listens(context.skb.skb) {
        return None;
    }
    let socket = cookie(context);
    if let Some(before) = requests::of_socket(socket) {
        // A body that looks like a request, one that does not wait for the response before it, or the same once more.
        if before.response_ns == 0 || !follows(segment.sequence, before.request_sequence) {
            return None;
        }
        requests::tell(before);
    }
    // SAFETY: a helper without arguments.
    let start_ns = unsafe { bpf_ktime_get_ns() };
    let mut request = Request { start_ns, request_sequence: segment.sequence, ..Request::default() };
    segment.copy(method + 1, &mut request.target);
    requests::begin(socket, &request);
    Some(())
}

/// A packet from a socket: its response may begin or go on.
#[inline(always)]
pub(crate) fn egress(context: &SkBuffContext) -> Option<()> {
    let segment = Segment::of(context)?;
    if segment.payload == 0 && !segment.closes() {
        return None;
    }
    let socket = cookie(context);
    let request = requests::of_socket(socket)?;
    if segment.payload > 0 {
        respond(socket, request, &segment);
    }
    if segment.closes() {
        requests::end(socket, request);
    }
    Some(())
}

#[inline(always)]
fn respond(socket: u64, request: &mut Request, segment: &Segment) -> Option<()> {
    let first = request.response_ns == 0;
    if first {
        if segment.beginning()? & word(*b"\xff\xff\xff\xff\xff\xff\xff\0") != word(*b"HTTP/1.\0") {
            return None;
        }
    } else if !follows(segment.sequence, request.response_sequence) {
        return None;
    }
    // SAFETY: a helper without arguments.
    let now_ns = unsafe { bpf_ktime_get_ns() };
    if first {
        request.response_ns = now_ns;
    }
    request.end_ns = now_ns;
    request.response_sequence = segment.sequence;
    threads::sends(socket, request, first, now_ns)
}

/// Whether a sequence number comes after another; they wrap.
#[inline(always)]
fn follows(sequence: u32, other: u32) -> bool {
    sequence.wrapping_sub(other).cast_signed() > 0
}

#[inline(always)]
fn cookie(context: &SkBuffContext) -> u64 {
    // SAFETY: the program's own context.
    unsafe { bpf_get_socket_cookie(context.skb.skb.cast::<c_void>()) }
}

#[inline(always)]
fn listens(skb: *mut __sk_buff) -> bool {
    // SAFETY: a field of the program's own context; the verifier wants the pointer checked.
    unsafe {
        let socket = (*skb).__bindgen_anon_2.sk;
        !socket.is_null() && (*socket).state == LISTENS
    }
}

const fn word(bytes: [u8; 8]) -> u64 {
    u64::from_ne_bytes(bytes)
}

/// The length of the method that these bytes begin with, where a space follows it.
#[inline(always)]
fn method_length(beginning: u64) -> Option<u32> {
    let begins = |length: usize, text: [u8; 8]| {
        let mut mask = [0; 8];
        mask[..length].fill(0xff);
        beginning & word(mask) == word(text)
    };
    if begins(4, *b"GET \0\0\0\0") || begins(4, *b"PUT \0\0\0\0") {
        Some(3)
    } else if begins(5, *b"POST \0\0\0") || begins(5, *b"HEAD \0\0\0") {
        Some(4)
    } else if begins(6, *b"PATCH \0\0") || begins(6, *b"TRACE \0\0") {
        Some(5)
    } else if begins(7, *b"DELETE \0") {
        Some(6)
    } else if begins(8, *b"OPTIONS ") || begins(8, *b"CONNECT ") {
        Some(7)
    } else {
        None
    }
}
