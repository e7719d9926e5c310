//! The ring of lifecycle events.

use std::borrow::Cow;
use std::ffi::CStr;
use std::hash::BuildHasher as _;
use std::mem::offset_of;
use std::sync::Arc;

use agent_ebpf::{CgroupEvent, EVENT_CGROUP_MADE, EVENT_CGROUP_REMOVED, EVENT_EXEC, EVENT_EXIT, ExecEvent, ExitEvent};
use aya::maps::{MapData, RingBuf};
use rustc_hash::FxBuildHasher;

use crate::activity::{CgroupId, Lifecycle, Pid};
use crate::clock::Timestamp;
use crate::notice::Notice;
use crate::units::Nanoseconds;

/// Reads what the programs have put into the ring. No system call, and no wake-up: the agent looks when it is awake.
pub struct EventRing {
    ring: RingBuf<MapData>,
    paths: RecentPaths,
    malformed: Notice,
}

/// The programs' paths of the latest starts. Most programs are started again and again: their paths take no new memory.
#[derive(Debug)]
pub struct RecentPaths([Arc<str>; 64]);

impl Default for RecentPaths {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Arc::default()))
    }
}

impl RecentPaths {
    fn shared(&mut self, path: &str) -> Arc<str> {
        let place = FxBuildHasher.hash_one(path) as usize % self.0.len();
        if *self.0[place] != *path {
            self.0[place] = path.into();
        }
        Arc::clone(&self.0[place])
    }
}

impl EventRing {
    pub(super) fn new(ring: RingBuf<MapData>) -> Self {
        Self { ring, paths: RecentPaths::default(), malformed: Notice::new("malformed_kernel_event") }
    }

    /// Moves everything that has arrived to `events`, in order.
    pub fn drain(&mut self, events: &mut Vec<Lifecycle>) {
        while let Some(item) = self.ring.next() {
            match decode_event(&item, &mut self.paths) {
                Some(event) => events.push(event),
                None => self.malformed.warn(format_args!(
                    "an event of {} bytes from the kernel side is not understood: agent and kernel programs are of different versions",
                    item.len()
                )),
            }
        }
    }
}

/// What an entry of the ring says; `None` where it is cut or of a kind that this agent does not know. It is read field by
/// field: most of an event's room for a path was never written, and is in no cache.
pub fn decode_event(bytes: &[u8], paths: &mut RecentPaths) -> Option<Lifecycle> {
    match word(bytes, 0)? {
        EVENT_EXEC => Some(Lifecycle::Exec {
            at: Timestamp(double_word(bytes, offset_of!(ExecEvent, at_ns))?),
            pid: Pid(word(bytes, offset_of!(ExecEvent, tgid))?),
            start: Nanoseconds(double_word(bytes, offset_of!(ExecEvent, start))?),
            path: paths.shared(&text(bytes.get(offset_of!(ExecEvent, path)..size_of::<ExecEvent>())?)),
        }),
        EVENT_EXIT => Some(Lifecycle::Exit {
            at: Timestamp(double_word(bytes, offset_of!(ExitEvent, at_ns))?),
            pid: Pid(word(bytes, offset_of!(ExitEvent, tgid))?),
            start: Nanoseconds(double_word(bytes, offset_of!(ExitEvent, start))?),
        }),
        EVENT_CGROUP_MADE => {
            let path = bytes.get(offset_of!(CgroupEvent, path)..size_of::<CgroupEvent>())?;
            let length = word(bytes, offset_of!(CgroupEvent, path_length))?.cast_signed();
            let whole = usize::try_from(length).is_ok_and(|length| (1..path.len()).contains(&length));
            Some(Lifecycle::CgroupMade {
                at: Timestamp(double_word(bytes, offset_of!(CgroupEvent, at_ns))?),
                cgroup: CgroupId(double_word(bytes, offset_of!(CgroupEvent, cgroup))?),
                // A cut or unreadable path is worse than none: it is then looked up in the cgroup file system.
                path: if whole { text(path).into_owned() } else { String::new() },
            })
        }
        EVENT_CGROUP_REMOVED => Some(Lifecycle::CgroupRemoved {
            at: Timestamp(double_word(bytes, offset_of!(CgroupEvent, at_ns))?),
            cgroup: CgroupId(double_word(bytes, offset_of!(CgroupEvent, cgroup))?),
        }),
        _ => None,
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn double_word(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_ne_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

fn text(bytes: &[u8]) -> Cow<'_, str> {
    let known = CStr::from_bytes_until_nul(bytes).map_or(bytes, CStr::to_bytes);
    String::from_utf8_lossy(known)
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
        let Some(Lifecycle::Exec { pid, path, .. }) = decode_event(&event, &mut RecentPaths::default()) else {
            panic!("no exec")
        };
        assert_eq!((pid, &*path), (Pid(7), "/bin/sh"));
    }

    #[test]
    fn a_cgroup_path_that_was_cut_is_not_taken_for_the_whole() {
        let path = [b'x'; agent_ebpf::CGROUP_PATH_BYTES];
        let length = agent_ebpf::CGROUP_PATH_BYTES as u64;
        let event = bytes_of(&[u64::from(EVENT_CGROUP_MADE) | (length << 32), 100, 42], &path);
        let Some(Lifecycle::CgroupMade { cgroup, path, .. }) = decode_event(&event, &mut RecentPaths::default()) else {
            panic!("no cgroup")
        };
        assert_eq!((cgroup, path.as_str()), (CgroupId(42), ""));
    }

    #[test]
    fn paths_that_come_again_share_their_memory_and_others_do_not() {
        let mut paths = RecentPaths::default();
        let first = paths.shared("/bin/true");
        assert!(Arc::ptr_eq(&first, &paths.shared("/bin/true")));
        for number in 0..1_000 {
            assert_eq!(&*paths.shared(&format!("/bin/{number}")), format!("/bin/{number}"));
        }
        assert_eq!(&*first, "/bin/true");
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_event_or_refused(kind in 0_u32..6, rest in prop::collection::vec(any::<u8>(), 0..700)) {
            let mut bytes = kind.to_ne_bytes().to_vec();
            bytes.extend(rest);
            decode_event(&bytes, &mut RecentPaths::default());
        }
    }
}
