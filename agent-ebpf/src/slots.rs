//! From a consumer to its slot.

use agent_ebpf::{ConsumerKey, FLAG_USED, SLOT_OVERFLOW, SlotInfo};
use aya_log_ebpf::{debug, trace};

use crate::maps::{CONSUMERS, FREE, INFO};

/// `BPF_NOEXIST` (include/uapi/linux/bpf.h).
const NOEXIST: u64 = 1;

/// The slot that `key` has.
#[inline(always)]
pub(crate) fn find(key: &ConsumerKey) -> Option<u32> {
    // SAFETY: the value is four bytes and copied at once. An element that is removed and used again meanwhile shows
    // another consumer's slot; only consumers that have ended are removed, and those are not looked up.
    unsafe { CONSUMERS.get(key) }.copied()
}

/// A new slot for `key`, or the overflow slot when there is none. `describe` fills in what the slot is known by.
#[inline(always)]
pub(crate) fn hand_out(key: &ConsumerKey, describe: impl FnOnce(&mut SlotInfo)) -> u32 {
    let Ok(Some(slot)) = FREE.pop() else {
        debug!(&(), "no slot for process {} in cgroup {}", key.tgid, key.cgroup);
        return SLOT_OVERFLOW;
    };
    let Some(info) = INFO.get_ptr_mut(slot) else { return SLOT_OVERFLOW };
    let mut new = SlotInfo { key: *key, flags: FLAG_USED, ..SlotInfo::default() };
    describe(&mut new);
    // SAFETY: the slot was free, so nobody else writes here; `get_ptr_mut` has checked the index.
    unsafe { info.write(new) };
    if CONSUMERS.insert(key, slot, NOEXIST).is_ok() {
        trace!(&(), "slot {} for process {} in cgroup {}", slot, key.tgid, key.cgroup);
        return slot;
    }
    // Another CPU was faster with a thread of the same process, or the hash is full.
    // SAFETY: as above; the slot goes back as it came.
    unsafe { info.write(SlotInfo::default()) };
    let _ = FREE.push(slot, 0);
    find(key).unwrap_or(SLOT_OVERFLOW)
}
