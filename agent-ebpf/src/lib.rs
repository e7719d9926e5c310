//! The memory that Prony's kernel programs and its agent share: what lies in the maps and what travels through the
//! ring. All of it is plain data with a fixed layout.

#![no_std]
#![deny(unsafe_code)]

mod cells;
mod events;
mod protocol;
#[cfg(test)]
mod protocol_model;
mod requests;

pub use cells::{
    CACHE_ENTRIES, CacheEntry, ConsumerKey, Counted, CpuCounters, CpuState, FIRST_SLOT, FLAG_KERNEL_THREAD, FLAG_USED,
    LAYOUT_VERSION, MARK_GROUP, RETURNED_AT_ONCE, SLOT_IDLE, SLOT_OVERFLOW, SLOT_UNKNOWN, SlotInfo, UNREADABLE,
};
pub use events::{
    CGROUP_PATH_BYTES, CgroupEvent, EVENT_CGROUP_MADE, EVENT_CGROUP_REMOVED, EVENT_EXEC, EVENT_EXIT, EXEC_PATH_BYTES,
    ExecEvent, ExitEvent,
};
pub use protocol::{Attempt, ReadState, Switch, WrittenState, switch, try_read};
pub use requests::{
    COUNT_BEGUN, COUNT_LOST, COUNT_NO_ROOM, COUNT_UNANSWERED, COUNTS, REQUEST_HANDED_OVER, Request, Running,
    SERVER_WORDS, TARGET_BYTES, ThreadState,
};
