//! From a consumer to its slot.

use core::intrinsics::{AtomicOrdering, atomic_xadd};
use core::ptr::write_volatile;

use agent_ebpf::{ConsumerKey, FLAG_USED, RETURNED_AT_ONCE, SLOT_OVERFLOW, SlotInfo};
use aya_log_ebpf::{debug, trace};

use crate::layout::CPU_COUNT;
use crate::maps::{CONSUMERS, CPUS, FREE, INFO, RETURNED};

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

/// Lets no CPU use what it remembers of slots any more. Besides when slots are freed, this is needed when somebody is
/// moved to another cgroup: the address of the `css_set` that is remembered may now be freed and used again.
#[inline(always)]
pub(crate) fn forget_remembered() {
    for cpu in 0..CPU_COUNT.load() {
        let Some(state) = CPUS.get_ptr_mut(cpu) else { return };
        // SAFETY: `state` lies in CPUS; whoever else writes this field adds to it like this.
        unsafe { atomic_xadd::<u32, u32, { AtomicOrdering::Relaxed }>(&raw mut (*state).generation, 1) };
    }
}

/// Frees the first `count` of the slots that the agent has put into RETURNED, whose owners have ended; how many could
/// not be freed.
///
/// A slot goes to nobody else before no CPU remembers it: a task that was starved in its exit could otherwise still be
/// billed to it.
#[inline(always)]
pub(crate) fn free_returned(count: u32) -> i32 {
    for place in 0..RETURNED_AT_ONCE.min(count) {
        let Some(info) = returned(place).and_then(|slot| INFO.get_ptr_mut(slot)) else { continue };
        // SAFETY: `info` lies in INFO, and its owner has ended: nobody else writes it. The flags are what says that the
        // rest is valid.
        unsafe {
            let key = (*info).key;
            // It is there: only the agent removes consumers.
            let _ = CONSUMERS.remove(key);
            write_volatile(&raw mut (*info).flags, 0);
        }
    }
    forget_remembered();
    let mut failed = 0;
    for place in 0..RETURNED_AT_ONCE.min(count) {
        if returned(place).is_some_and(|slot| FREE.push(slot, 0).is_err()) {
            failed += 1;
        }
    }
    failed
}

#[inline(always)]
fn returned(place: u32) -> Option<u32> {
    RETURNED.get(place).map(|&slot| slot as u32)
}
