//! How a CPU's state is written at its context switches, and read by others at any moment: a sequence lock.
//!
//! Both sides are generic over the memory, so that what runs in the kernel and in the agent is what tests run through all
//! orders of events. Stores become visible in the order in which they are made here: x86-64 keeps it, and the programs
//! spend nothing on it.

#![expect(clippy::inline_always, reason = "calls between kernel programs are limited in number and arguments")]

use crate::SLOT_IDLE;

/// One context switch.
#[derive(Clone, Copy, Debug)]
pub struct Switch {
    /// When, nanoseconds. Before the slice or the window began it means then.
    pub at_ns: u64,
    /// Who leaves the CPU.
    pub leaving: u32,
    /// Until when the slice was somebody else's than who leaves, nanoseconds; 0 where it is all of one.
    pub others_until_ns: u64,
    /// Who comes.
    pub next: u32,
    /// The address of the task that comes; 0 where it is not known.
    pub next_task: u64,
    /// Whether what the CPU's counters have counted is charged too, if there are any.
    pub counts: bool,
}

/// The state of one CPU, as its switches write it: the fields of [`CpuState`](crate::CpuState), each a whole word.
pub trait WrittenState {
    /// Reads `sequence`.
    fn sequence(&self) -> u64;
    /// Writes `sequence`.
    fn set_sequence(&self, sequence: u64);
    /// Reads `since_ns`.
    fn since_ns(&self) -> u64;
    /// Writes `since_ns`.
    fn set_since_ns(&self, since_ns: u64);
    /// Reads `idle_ns`.
    fn idle_ns(&self) -> u64;
    /// Writes `idle_ns`.
    fn set_idle_ns(&self, idle_ns: u64);
    /// Reads `slot`.
    fn slot(&self) -> u32;
    /// Writes `slot`.
    fn set_slot(&self, slot: u32);
    /// Writes `task`.
    fn set_task(&self, task: u64);
    /// Reads `window_ns`.
    fn window_ns(&self) -> u64;
    /// Adds to a slot's cell.
    fn charge(&self, slot: u32, length_ns: u64);
    /// Charges what was counted until now to who leaves.
    fn count(&self, leaving: u32);
    /// Charges what was handed out of the open slice to who was seen to come.
    fn split_counts(&self);
}

/// Ends the time slice that began at the CPU's last switch, and begins the next. `sequence` is odd meanwhile.
#[inline(always)]
pub fn switch(state: &impl WrittenState, switch: &Switch) {
    let sequence = state.sequence();
    state.set_sequence(sequence.wrapping_add(1));
    let mut since = state.since_ns();
    // What was handed out with the window before stays as it is.
    let now_ns = switch.at_ns.max(since).max(state.window_ns());
    if since != 0 {
        if switch.others_until_ns > since {
            bill(state, state.slot(), switch.others_until_ns - since);
            since = switch.others_until_ns;
            if switch.counts {
                state.split_counts();
            }
        }
        bill(state, switch.leaving, now_ns.saturating_sub(since));
    }
    state.set_since_ns(now_ns);
    state.set_slot(switch.next);
    state.set_task(switch.next_task);
    if switch.counts {
        state.count(switch.leaving);
    }
    state.set_sequence(sequence.wrapping_add(2));
}

#[inline(always)]
fn bill(state: &impl WrittenState, slot: u32, length_ns: u64) {
    if slot == SLOT_IDLE {
        state.set_idle_ns(state.idle_ns() + length_ns);
    } else {
        state.charge(slot, length_ns);
    }
}

/// The state of one CPU, as others read it.
pub trait ReadState {
    /// Reads `sequence`.
    fn sequence(&self) -> u64;
    /// Keeps what is read before it before what is read after it.
    fn fence(&self);
}

/// What was read in one go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt<T> {
    /// `sequence` before.
    pub sequence: u64,
    /// The rest.
    pub value: T,
    /// Whether no switch came in between, so that the parts of the value belong together.
    pub is_whole: bool,
}

/// Reads once.
pub fn try_read<T>(state: &impl ReadState, read: impl FnOnce() -> T) -> Attempt<T> {
    let sequence = state.sequence();
    state.fence();
    let value = read();
    state.fence();
    Attempt { sequence, value, is_whole: state.sequence() == sequence && sequence.is_multiple_of(2) }
}
