//! Reading finished requests.

use std::mem::offset_of;

use agent_ebpf::{REQUEST_HANDED_OVER, Request, TARGET_BYTES};
use aya::maps::{HashMap, MapData, RingBuf};

use crate::activity::{CgroupId, Pid, SocketRequest};
use crate::clock::Timestamp;
use crate::notice::Notice;
use crate::units::Nanoseconds;

/// A response is over when its socket was silent for so long, where no next request and no end has said so before.
const QUIET: Nanoseconds = Nanoseconds::from_millis(1_000);
/// A request that was not answered for so long never will be, or its socket's end was not seen.
const GIVEN_UP: Nanoseconds = Nanoseconds::from_millis(300_000);
/// The time between two looks at all running requests. Each costs two system calls a connection.
const SWEEP_EVERY: Nanoseconds = Nanoseconds::from_millis(500);

static MALFORMED: Notice = Notice::new("malformed_kernel_event");

/// [`Request`] as a map's value.
#[repr(transparent)]
#[derive(Clone, Copy, Debug)]
pub(super) struct Value(Request);

// SAFETY: integers, and an array of bytes, without padding that is not a field.
unsafe impl aya::Pod for Value {}

/// The finished requests, and the running ones among which those are found that have ended without a sign.
pub(super) struct Requests {
    finished: RingBuf<MapData>,
    running: HashMap<MapData, u64, Value>,
    next_sweep: Timestamp,
}

impl Requests {
    pub(super) fn new(finished: RingBuf<MapData>, running: HashMap<MapData, u64, Value>) -> Self {
        Self { finished, running, next_sweep: Timestamp::default() }
    }

    /// Moves what has ended by `now` to `requests`; how many were given up.
    pub(super) fn drain(&mut self, now: Timestamp, requests: &mut Vec<SocketRequest>) -> u64 {
        while let Some(item) = self.finished.next() {
            match decode(&item) {
                Some(request) => requests.push(request),
                None => MALFORMED.warn(format_args!(
                    "a request of {} bytes from the kernel side is not understood: agent and kernel programs are of \
                     different versions",
                    item.len()
                )),
            }
        }
        if now < self.next_sweep {
            return 0;
        }
        self.next_sweep = now + SWEEP_EVERY;
        self.sweep(now, requests)
    }

    fn sweep(&mut self, now: Timestamp, requests: &mut Vec<SocketRequest>) -> u64 {
        let running: Vec<(u64, Value)> = self.running.iter().filter_map(Result::ok).collect();
        let mut given_up = 0;
        for (socket, Value(seen)) in running.into_iter().filter(|(_, Value(request))| has_ended(request, now)) {
            // Meanwhile the socket may have got its next request.
            let same = self.running.get(&socket, 0).is_ok_and(|Value(request)| request == seen);
            if same && self.running.remove(&socket).is_ok() {
                if seen.response_ns == 0 {
                    given_up += 1;
                } else {
                    requests.push(request(&seen));
                }
            }
        }
        given_up
    }
}

fn has_ended(request: &Request, now: Timestamp) -> bool {
    let (since, limit) = match request.response_ns {
        0 => (request.start_ns, GIVEN_UP),
        _ => (request.end_ns, QUIET),
    };
    now.since(Timestamp(since)) > limit
}

/// What an entry of the ring says; `None` where it is of another length.
fn decode(bytes: &[u8]) -> Option<SocketRequest> {
    let word = |at: usize| Some(u64::from_ne_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
    let half = |at: usize| Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    let target = bytes.get(offset_of!(Request, target)..size_of::<Request>())?;
    (bytes.len() == size_of::<Request>()).then_some(())?;
    Some(request(&Request {
        start_ns: word(offset_of!(Request, start_ns))?,
        response_ns: word(offset_of!(Request, response_ns))?,
        end_ns: word(offset_of!(Request, end_ns))?,
        on_cpu_ns: word(offset_of!(Request, on_cpu_ns))?,
        cgroup: word(offset_of!(Request, cgroup))?,
        tgid: half(offset_of!(Request, tgid))?,
        tid: half(offset_of!(Request, tid))?,
        flags: half(offset_of!(Request, flags))?,
        target: target.try_into().ok()?,
        ..Request::default()
    }))
}

fn request(request: &Request) -> SocketRequest {
    SocketRequest {
        cgroup: CgroupId(request.cgroup),
        pid: Pid(request.tgid),
        tid: Pid(request.tid),
        start: Timestamp(request.start_ns),
        response: Timestamp(request.response_ns),
        end: Timestamp(request.end_ns),
        on_cpu: Nanoseconds(request.on_cpu_ns),
        handed_over: request.flags & REQUEST_HANDED_OVER != 0,
        path: first_segment(&request.target),
    }
}

/// `/` and what follows it up to the path's next part or its end.
fn first_segment(target: &[u8; TARGET_BYTES]) -> String {
    let ends = |byte: &u8| matches!(byte, b'/' | b'?' | b'#' | b';') || byte.is_ascii_control() || *byte == b' ';
    let (slash, rest) = target.split_at(usize::from(target[0] == b'/'));
    let length = rest.iter().position(ends).unwrap_or(rest.len());
    String::from_utf8_lossy(&[slash, &rest[..length]].concat()).into_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn target(text: &str) -> [u8; TARGET_BYTES] {
        let mut target = [0; TARGET_BYTES];
        let length = text.len().min(TARGET_BYTES);
        target[..length].copy_from_slice(&text.as_bytes()[..length]);
        target
    }

    #[test]
    fn a_path_is_named_by_its_first_segment() {
        for (text, expected) in [
            ("/users/7?x=1 HTTP/1.1\r\nHost: a", "/users"),
            ("/ HTTP/1.1\r\nHost: a\r\n\r\n", "/"),
            ("/long?key=1", "/long"),
            ("* HTTP/1.1", "*"),
            ("/0123456789012345678901234567890123456789", "/0123456789012345678901234567890"),
            ("", ""),
        ] {
            assert_eq!(first_segment(&target(text)), expected);
        }
    }

    #[test]
    fn a_request_ends_by_silence_after_its_response_or_is_given_up() {
        let now = Timestamp(1_000_000_000_000);
        let ago = |seconds: u64| now.0 - seconds * 1_000_000_000;
        let running = Request { start_ns: ago(100), response_ns: ago(50), end_ns: now.0, ..Request::default() };
        assert!(!has_ended(&running, now));
        assert!(has_ended(&Request { end_ns: ago(2), ..running }, now));
        let unanswered = Request { start_ns: ago(100), ..Request::default() };
        assert!(!has_ended(&unanswered, now));
        assert!(has_ended(&Request { start_ns: ago(301), ..unanswered }, now));
    }

    proptest! {
        #[test]
        fn any_bytes_are_understood_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert_eq!(decode(&bytes).is_some(), bytes.len() == size_of::<Request>());
        }
    }
}
