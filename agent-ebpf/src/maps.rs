//! The maps. Their sizes here are placeholders; the agent sets them for the machine before it loads the object.
//! All of them are there since kernel 5.8 (the ring buffer is the youngest).

use agent_ebpf::{ConsumerKey, Counted, CpuState, RETURNED_AT_ONCE, SlotInfo};
use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, HashMap, PerfEventByteArray, RingBuf, Stack};

/// `BPF_F_MMAPABLE` (include/uapi/linux/bpf.h): the agent reads the memory without system calls. Kernel 5.5.
const MMAPABLE: u32 = 1 << 10;

/// What each CPU is doing, by CPU number.
#[map]
pub(crate) static CPUS: Array<CpuState> = Array::with_max_entries(1, MMAPABLE);

/// CPU time in nanoseconds: `CpuState::first_cell + slot`.
#[map]
pub(crate) static CELLS: Array<u64> = Array::with_max_entries(1, MMAPABLE);

/// What was counted while a slot ran; indexed like `CELLS`. One element where there are no counters.
#[map]
pub(crate) static COUNTED: Array<Counted> = Array::with_max_entries(1, MMAPABLE);

/// Each CPU's counter of cycles, by CPU number. The agent puts them in.
#[map]
pub(crate) static CYCLES: PerfEventByteArray = PerfEventByteArray::new(0);

/// The same for instructions.
#[map]
pub(crate) static INSTRUCTIONS: PerfEventByteArray = PerfEventByteArray::new(0);

/// 1 where a cell may have grown since the agent last cleared the mark; indexed like `CELLS`, eight marks an element.
#[map]
pub(crate) static MARKS: Array<[u8; 8]> = Array::with_max_entries(1, MMAPABLE);

/// 1 where some of [`agent_ebpf::MARK_GROUP`] marks that follow each other may be set; eight groups an element.
#[map]
pub(crate) static MARK_GROUPS: Array<[u8; 8]> = Array::with_max_entries(1, MMAPABLE);

/// Whom each slot belongs to.
#[map]
pub(crate) static INFO: Array<SlotInfo> = Array::with_max_entries(1, MMAPABLE);

/// The slot of each consumer.
#[map]
pub(crate) static CONSUMERS: HashMap<ConsumerKey, u32> = HashMap::with_max_entries(1, 0);

/// Slots that belong to nobody. The agent puts them in.
#[map]
pub(crate) static FREE: Stack<u32> = Stack::with_max_entries(1, 0);

/// Slots that the agent gives back, for `free_slots`. (The kernel lays elements out in steps of eight bytes.)
#[map]
pub(crate) static RETURNED: Array<u64> = Array::with_max_entries(RETURNED_AT_ONCE, MMAPABLE);

/// What starts, ends and changes its name.
#[map]
pub(crate) static EVENTS: RingBuf = RingBuf::with_byte_size(4096, 0);
