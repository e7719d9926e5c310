//! The memory that the kernel side counts in, as the tracker needs it: the seam between the kernel and plain data.

use crate::clock::Timestamp;
use crate::units::Nanoseconds;

use super::{Comm, ConsumerId, Counts, Pid, ShardId, Shards};

/// Who runs on a CPU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Occupant {
    /// Nobody.
    #[default]
    Idle,
    /// The consumer that has this slot.
    Slot(u32),
    /// Somebody; the kernel side will say who when the slice ends.
    Unknown,
}

/// What a CPU is doing at one instant. The parts belong together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuReading {
    /// Who runs.
    pub occupant: Occupant,
    /// Since when; zero before the CPU's first switch.
    pub since: Timestamp,
    /// Idle time in closed slices.
    pub idle: Nanoseconds,
    /// The occupant's cell in the CPU's shard: its time in closed slices.
    pub cell: Nanoseconds,
    /// What was counted in these.
    pub counted: Counts,
    /// What was counted in the slice that is open, where that was looked for.
    pub counted_open: Counts,
}

/// Whom a slot belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotOwner {
    /// The consumer.
    pub consumer: ConsumerId,
    /// The process that started it.
    pub parent: Pid,
    /// Its command name now.
    pub comm: Comm,
    /// Whether it is a thread of the kernel.
    pub kernel_thread: bool,
}

/// Slots and cells. Reading needs no system call, but for counters of slices that are open.
pub trait SlotMemory {
    /// How many slots there are.
    fn slots(&self) -> usize;

    /// What the CPU at this place of the topology is doing.
    fn read_cpu(&self, place: usize) -> CpuReading;

    /// Whether there are counters of cycles and instructions.
    fn has_counters(&self) -> bool;

    /// As [`Self::read_cpu`], with what was counted until `now` in a slice of somebody that is open. It interrupts that
    /// CPU.
    fn read_cpu_and_counters(&mut self, place: usize, now: Timestamp) -> CpuReading;

    /// What was counted in the closed slices of a slot.
    fn counted(&self, shard: ShardId, slot: u32) -> Counts;

    /// Whether all that ran since the last call was counted. Where it was not, what can be mended is.
    fn was_all_counted(&mut self) -> bool;

    /// Makes sure that who is said to run on the CPU at this place does. It interrupts that CPU, where the kernel can.
    fn check_occupant(&mut self, place: usize);

    /// Appends the slots that were switched to in this shard since `begin_epoch`, and forgets them. Where the CPU lets
    /// stores be seen in another order, a single one may be missed until a `thorough` look, which takes longer.
    fn take_marks(&self, shard: ShardId, thorough: bool, marked: &mut Vec<u32>);

    /// A window ends and another begins at `now`: every slot is marked again when it is switched to for the first time.
    fn begin_epoch(&self, now: Timestamp);

    /// A cell: the CPU time of closed slices.
    fn cell(&self, shard: ShardId, slot: u32) -> Nanoseconds;

    /// Whom a slot belongs to; `None` while it is free.
    fn owner(&self, slot: u32) -> Option<SlotOwner>;

    /// Gives slots back, with the shards in which they ran. Their cells begin at zero for the next owners.
    fn release(&mut self, slots: &[(u32, Shards)]);
}
