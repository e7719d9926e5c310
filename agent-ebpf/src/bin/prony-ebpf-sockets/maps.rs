//! The maps. The agent sets the size of those whose size here is 1.

use agent_ebpf::{COUNTS, Request, Running, ThreadState};
use aya_ebpf::macros::map;
use aya_ebpf::maps::{HashMap, LruHashMap, PerCpuArray, RingBuf};

/// Requests that run, by the socket's cookie: the latest of each socket, until the next one or the socket's end.
#[map]
pub(crate) static REQUESTS: HashMap<u64, Request> = HashMap::with_max_entries(1, 0);

/// Processes that have read a request, by thread group. What was not used for longest makes room.
#[map]
pub(crate) static SERVERS: LruHashMap<u32, u32> = LruHashMap::with_max_entries(1, 0);

/// Their threads, by thread id. What was not used for longest makes room.
#[map]
pub(crate) static THREADS: LruHashMap<u32, ThreadState> = LruHashMap::with_max_entries(1, 0);

/// Who runs here.
#[map]
pub(crate) static RUNNING: PerCpuArray<Running> = PerCpuArray::with_max_entries(1, 0);

/// `agent_ebpf::COUNT_*`
#[map(name = "COUNTS")]
static COUNTERS: PerCpuArray<u64> = PerCpuArray::with_max_entries(COUNTS, 0);

/// Requests that have ended.
#[map]
pub(crate) static FINISHED: RingBuf = RingBuf::with_byte_size(4096, 0);

/// Adds one to a count.
#[inline(always)]
pub(crate) fn count(what: u32) {
    if let Some(count) = COUNTERS.get_ptr_mut(what) {
        // SAFETY: it is this CPU's. An interrupt between load and store can lose a count, nothing else.
        unsafe { *count += 1 };
    }
}
