//! The life of a request.

use agent_ebpf::{COUNT_BEGUN, COUNT_LOST, COUNT_NO_ROOM, COUNT_UNANSWERED, Request};

use crate::maps::{FINISHED, REQUESTS, count};

/// `BPF_RB_NO_WAKEUP` (include/uapi/linux/bpf.h): the agent looks when it is awake.
const NO_WAKEUP: u64 = 1;

/// The latest request of a socket, if it has one.
#[inline(always)]
pub(crate) fn of_socket(socket: u64) -> Option<&'static mut Request> {
    // SAFETY: the element lies in the map, whose elements are never unmapped while a program runs. Programs on other
    // CPUs may write at the same time; each field is a word, and what can be lost is a part of one request's time.
    REQUESTS.get_ptr_mut(socket).map(|request| unsafe { &mut *request })
}

/// A socket's next request.
#[inline(always)]
pub(crate) fn begin(socket: u64, request: &Request) {
    count(if REQUESTS.insert(socket, request, 0).is_ok() { COUNT_BEGUN } else { COUNT_NO_ROOM });
}

/// Tells the agent of a request that has been answered.
#[inline(always)]
pub(crate) fn tell(request: &Request) {
    match FINISHED.reserve::<Request>(0) {
        Some(mut entry) => {
            entry.write(*request);
            entry.submit(NO_WAKEUP);
        }
        None => count(COUNT_LOST),
    }
}

/// A socket's last request has ended, answered or not.
#[inline(always)]
pub(crate) fn end(socket: u64, request: &Request) {
    if request.response_ns == 0 {
        count(COUNT_UNANSWERED);
    } else {
        tell(request);
    }
    // It is there, or the agent has just removed it.
    let _ = REQUESTS.remove(socket);
}
