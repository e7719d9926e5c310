//! The ring of lifecycle events.

use std::ffi::CStr;

use agent_ebpf::{CgroupEvent, EVENT_CGROUP_MADE, EVENT_CGROUP_REMOVED, EVENT_EXEC, EVENT_EXIT, ExecEvent, ExitEvent};
use aya::maps::{MapData, RingBuf};

use crate::activity::{CgroupId, Lifecycle, Pid};
use crate::clock::Timestamp;
use crate::notice::Notice;
use crate::units::Nanoseconds;

/// Reads what the programs have put into the ring. No system call, and no wake-up: the agent looks when it is awake.
pub struct EventRing {
    ring: RingBuf<MapData>,
    malformed: Notice,
}

impl EventRing {
    pub(super) fn new(ring: RingBuf<MapData>) -> Self {
        Self { ring, malformed: Notice::new("malformed_kernel_event") }
    }

    /// Moves everything that has arrived to `events`, in order.
    pub fn drain(&mut self, events: &mut Vec<Lifecycle>) {
        while let Some(item) = self.ring.next() {
            match decode_event(&item) {
                Some(event) => events.push(event),
                None => self.malformed.warn(format_args!(
                    "an event of {} bytes from the kernel side is not understood: agent and kernel programs are of different versions",
                    item.len()
                )),
            }
        }
    }
}

/// What an entry of the ring says; `None` where it is cut or of a kind that this agent does not know.
pub fn decode_event(bytes: &[u8]) -> Option<Lifecycle> {
    let kind = u32::from_ne_bytes(bytes.get(..4)?.try_into().ok()?);
    match kind {
        EVENT_EXEC => {
            let event: ExecEvent = plain(bytes)?;
            Some(Lifecycle::Exec {
                at: Timestamp(event.at_ns),
                pid: Pid(event.tgid),
                start: Nanoseconds(event.start),
                path: text(&event.path),
            })
        }
        EVENT_EXIT => {
            let event: ExitEvent = plain(bytes)?;
            Some(Lifecycle::Exit { at: Timestamp(event.at_ns), pid: Pid(event.tgid), start: Nanoseconds(event.start) })
        }
        EVENT_CGROUP_MADE => {
            let event: CgroupEvent = plain(bytes)?;
            let whole = usize::try_from(event.path_length).is_ok_and(|length| (1..event.path.len()).contains(&length));
            Some(Lifecycle::CgroupMade {
                at: Timestamp(event.at_ns),
                cgroup: CgroupId(event.cgroup),
                // A cut or unreadable path is worse than none: it is then looked up in the cgroup file system.
                path: if whole { text(&event.path) } else { String::new() },
            })
        }
        EVENT_CGROUP_REMOVED => {
            let event: CgroupEvent = plain(bytes)?;
            Some(Lifecycle::CgroupRemoved { at: Timestamp(event.at_ns), cgroup: CgroupId(event.cgroup) })
        }
        _ => None,
    }
}

/// A copy of the event at the beginning of `bytes`.
fn plain<T: Event>(bytes: &[u8]) -> Option<T> {
    // SAFETY: the length is checked, the read is unaligned, and `Event` types take any bytes.
    (bytes.len() >= size_of::<T>()).then(|| unsafe { bytes.as_ptr().cast::<T>().read_unaligned() })
}

/// # Safety
/// Any bytes are a value of the type.
unsafe trait Event: Copy {}
// SAFETY: integers and arrays of bytes.
unsafe impl Event for ExecEvent {}
// SAFETY: integers.
unsafe impl Event for ExitEvent {}
// SAFETY: integers and an array of bytes.
unsafe impl Event for CgroupEvent {}

fn text(bytes: &[u8]) -> String {
    let known = CStr::from_bytes_until_nul(bytes).map_or(bytes, CStr::to_bytes);
    String::from_utf8_lossy(known).into_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bytes_of(words: &[u64], tail: &[u8]) -> Vec<u8> {
        let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
        bytes.extend(tail);
        bytes
    }

    #[test]
    fn an_exec_carries_the_path_up_to_its_end() {
        let mut path = [b'x'; agent_ebpf::EXEC_PATH_BYTES];
        path[..8].copy_from_slice(b"/bin/sh\0");
        let event = bytes_of(&[u64::from(EVENT_EXEC) | (7 << 32), 100, 50], &path);
        let Some(Lifecycle::Exec { pid, path, .. }) = decode_event(&event) else { panic!("no exec") };
        assert_eq!((pid, path.as_str()), (Pid(7), "/bin/sh"));
    }

    #[test]
    fn a_cgroup_path_that_was_cut_is_not_taken_for_the_whole() {
        let path = [b'x'; agent_ebpf::CGROUP_PATH_BYTES];
        let length = agent_ebpf::CGROUP_PATH_BYTES as u64;
        let event = bytes_of(&[u64::from(EVENT_CGROUP_MADE) | (length << 32), 100, 42], &path);
        let Some(Lifecycle::CgroupMade { cgroup, path, .. }) = decode_event(&event) else { panic!("no cgroup") };
        assert_eq!((cgroup, path.as_str()), (CgroupId(42), ""));
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_event_or_refused(kind in 0_u32..6, rest in prop::collection::vec(any::<u8>(), 0..700)) {
            let mut bytes = kind.to_ne_bytes().to_vec();
            bytes.extend(rest);
            decode_event(&bytes);
        }
    }
}
