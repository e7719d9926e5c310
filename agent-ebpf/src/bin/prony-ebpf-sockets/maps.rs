//! The maps. The agent sets the size of those whose size here is 1.

use core::ptr::{read_volatile, write_volatile};

use agent_ebpf::{COUNTS, Request, Running, SERVER_WORDS, ThreadState};
use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, HashMap, LruHashMap, PerCpuArray, RingBuf};

/// Requests that run, by the socket's cookie: the latest of each socket, until the next one or the socket's end.
#[map]
pub(crate) static REQUESTS: HashMap<u64, Request> = HashMap::with_max_entries(1, 0);

/// A bit for the lowest bits of each thread group that has read a request, so that others cost little at a switch. Some
/// are taken for such that are not, which costs some time and room and changes nothing else. The agent clears it now and
/// then, and whoever still reads sets it again.
#[map]
static SERVERS: Array<u64> = Array::with_max_entries(SERVER_WORDS, 0);

/// Threads of such processes, by thread id. What was not used for longest makes room.
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

/// Whether a thread group may have read a request.
#[inline(always)]
pub(crate) fn is_server(tgid: u32) -> bool {
    // SAFETY: a word in the map, read as a whole.
    server_word(tgid).is_some_and(|word| unsafe { read_volatile(word) } & server_bit(tgid) != 0)
}

/// Remembers that a thread group reads requests.
#[inline(always)]
pub(crate) fn set_server(tgid: u32) {
    if let Some(word) = server_word(tgid) {
        // SAFETY: a word in the map. Where two CPUs write it at once, one of the bits is set at the next request.
        unsafe { write_volatile(word, read_volatile(word) | server_bit(tgid)) };
    }
}

#[inline(always)]
fn server_word(tgid: u32) -> Option<*mut u64> {
    SERVERS.get_ptr_mut((tgid / u64::BITS) % SERVER_WORDS)
}

#[inline(always)]
fn server_bit(tgid: u32) -> u64 {
    1 << (tgid % u64::BITS)
}

/// Adds one to a count.
#[inline(always)]
pub(crate) fn count(what: u32) {
    if let Some(count) = COUNTERS.get_ptr_mut(what) {
        // SAFETY: it is this CPU's. An interrupt between load and store can lose a count, nothing else.
        unsafe { *count += 1 };
    }
}
