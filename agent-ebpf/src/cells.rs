//! Where CPU time is counted.
//!
//! A *slot* stands for one consumer (a process in a cgroup). Its CPU time lies in one *cell* per shard of CPUs:
//! `cells[shard * slots + slot]`, nanoseconds, only ever growing while the slot belongs to the same consumer.

/// The number of this layout of the maps: another one for every change of what lies in them or means something else, so that an
/// agent does not go on with counters that it would read wrongly.
pub const LAYOUT_VERSION: u32 = 1;

/// The slot of the idle tasks. Idle time is counted by CPU, in [`CpuState::idle_ns`], not in cells.
pub const SLOT_IDLE: u32 = 0;
/// The slot of everybody for whom there was no slot.
pub const SLOT_OVERFLOW: u32 = 1;
/// The first slot that is handed out.
pub const FIRST_SLOT: u32 = 2;
/// In [`CpuState::slot`]: the kernel could not tell who runs. The time is charged when the task leaves the CPU.
pub const SLOT_UNKNOWN: u32 = u32::MAX;

/// [`SlotInfo::flags`]: the slot belongs to somebody. Written last.
pub const FLAG_USED: u32 = 1;
/// [`SlotInfo::flags`]: a thread of the kernel.
pub const FLAG_KERNEL_THREAD: u32 = 2;

/// How many slots share one mark of their own, so that the agent looks only where there are marks.
pub const MARK_GROUP: u32 = 32;

/// How many slots the agent gives back in one call at most.
pub const RETURNED_AT_ONCE: u32 = 256;

/// How many tasks every CPU remembers the slot of. A power of two; the index is the lowest bits of the thread id.
pub const CACHE_ENTRIES: usize = 64;

/// What a consumer is found by.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConsumerKey {
    /// The cgroup's id.
    pub cgroup: u64,
    /// `start_boottime` of the thread group's leader, nanoseconds; 0 where the kernel's layout is not known.
    pub start: u64,
    /// The thread group's id.
    pub tgid: u32,
    /// Always 0: the whole key is hashed.
    pub padding: u32,
}

/// The slot that a thread was last found in.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct CacheEntry {
    /// The address of the thread's `css_set`, which stands for its cgroup until somebody is moved between cgroups.
    pub css_set: u64,
    /// The thread's own `start_boottime`.
    pub start: u64,
    /// The thread's id.
    pub tid: u32,
    /// The slot.
    pub slot: u32,
    /// The [`CpuState::generation`] that the entry belongs to.
    pub generation: u32,
    /// The [`CpuState::epoch`] in which the slot was last marked from here.
    pub marked_in: u32,
}

/// What a processor's own counters counted.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Cycles that the core was not halted.
    pub cycles: u64,
    /// Instructions retired.
    pub instructions: u64,
}

/// In [`CpuCounters::enabled_ns`]: the counters could not be read, or are others than before. No value follows that fits.
pub const UNREADABLE: u64 = u64::MAX;

/// Where a CPU's own counters stand. Written by its context switches alone but for the fields that say otherwise.
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug)]
pub struct CpuCounters {
    /// Their values at [`CpuState::since_ns`].
    pub at_switch: Counted,
    /// How long they were enabled then, nanoseconds; 0 before the first switch, else [`UNREADABLE`]. That is also
    /// written by the agent, after it has put in others.
    pub enabled_ns: u64,
    /// Of that, how long they did count, nanoseconds: less, where others wanted the hardware too.
    pub running_ns: u64,
    /// Of how many slices it is not known, or only in part, what was counted.
    pub unknown_slices: u64,
    /// Their values when the agent last looked at an open slice. Written by the agent.
    pub handed_out: Counted,
    /// Fills the cache line.
    pub padding: u64,
}

/// What one CPU is doing, written by its context switches alone but for the fields that say otherwise.
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug)]
pub struct CpuState {
    /// Twice the number of switches; odd while one is being written. A reader tries again when it has changed.
    pub sequence: u64,
    /// Since when the slot runs (`CLOCK_MONOTONIC`, nanoseconds); 0 before the first switch.
    pub since_ns: u64,
    /// Time of the idle task until `since_ns`.
    pub idle_ns: u64,
    /// The address of the task that runs, to notice a switch that was not reported.
    pub task: u64,
    /// Who runs.
    pub slot: u32,
    /// Index of the first cell of this CPU's shard. Written by the agent, before the programs are attached.
    pub first_cell: u32,
    /// Which window this is. Written by the agent, after it has taken the marks.
    pub epoch: u32,
    /// How often what is remembered in `cache` was declared void, on whatever CPU.
    pub generation: u32,
    /// The beginning of the window (`CLOCK_MONOTONIC`, nanoseconds). Written by the agent, like `epoch`.
    pub window_ns: u64,
    /// How far the scheduler's clock of this CPU is behind `CLOCK_MONOTONIC`, nanoseconds that wrap around.
    pub scheduler_behind_ns: u64,
    /// How many switches the kernel did not report.
    pub unreported: u64,
    /// How often a task went to the overflow slot.
    pub overflows: u64,
    /// How many events the ring had no room for.
    pub lost_events: u64,
    /// Fills the cache line, whose fields are rarely touched.
    pub padding: [u64; 5],
    /// Its own counters, where there are any.
    pub counters: CpuCounters,
    /// Who ran here lately.
    pub cache: [CacheEntry; CACHE_ENTRIES],
}

/// Whom a slot belongs to. Written once by the kernel when the slot is handed out, but for `comm`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SlotInfo {
    /// The consumer.
    pub key: ConsumerKey,
    /// The thread group id of the process that started it.
    pub parent: u32,
    /// `FLAG_*`.
    pub flags: u32,
    /// The command name, NUL-terminated.
    pub comm: [u8; 16],
}

const _: () = {
    assert!(size_of::<ConsumerKey>() == 24);
    assert!(size_of::<CacheEntry>() == 32);
    assert!(size_of::<SlotInfo>() == 48);
    assert!(CACHE_ENTRIES.is_power_of_two());
    // A whole number of cache lines: CPUs never write to each other's.
    assert!(size_of::<CpuState>() == 192 + 32 * CACHE_ENTRIES && CACHE_ENTRIES.is_multiple_of(2));
};
