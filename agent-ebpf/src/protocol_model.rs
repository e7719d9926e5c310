//! The protocol under every order of events that Loom can think of.
//!
//! One thread makes a CPU's switches, another reads. Loom lets the reader see every value that the memory's rules allow: not
//! only the newest. Stores that keep their order, as x86-64's do, are `Release` here.

extern crate std;

use std::sync::Arc as Shared;
use std::sync::atomic::{AtomicU64 as Count, Ordering::SeqCst};

use loom::sync::Arc;
use loom::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};
use loom::thread;

use super::protocol::{Attempt, ReadState, Switch, WrittenState, switch, try_read};
use super::{FIRST_SLOT, SLOT_IDLE};

const A: u32 = FIRST_SLOT;
const B: u32 = FIRST_SLOT + 1;

/// When the switches are, and who comes.
const SWITCHES: [(u64, u32); 3] = [(20, B), (35, A), (50, SLOT_IDLE)];

/// A CPU that runs `A` since 10 ns, and the cells of `A` and `B`.
struct Cpu {
    stores: Ordering,
    sequence: AtomicU64,
    since_ns: AtomicU64,
    slot: AtomicU32,
    cells: [AtomicU64; 2],
}

/// What a reader takes for one moment: since when, who, and the cell.
type Moment = (u64, u32, u64);

/// All moments that there are, in order.
const MOMENTS: [Moment; 4] = [(10, A, 0), (20, B, 0), (35, A, 10), (50, SLOT_IDLE, 0)];

impl Cpu {
    fn new(stores: Ordering) -> Self {
        let cells = [AtomicU64::new(0), AtomicU64::new(0)];
        Self { stores, sequence: AtomicU64::new(0), since_ns: AtomicU64::new(10), slot: AtomicU32::new(A), cells }
    }

    fn cell(&self, slot: u32) -> Option<&AtomicU64> {
        self.cells.get(slot.checked_sub(FIRST_SLOT)? as usize)
    }

    fn switch_all(&self, switches: &[(u64, u32)]) {
        let mut leaving = A;
        for &(at_ns, next) in switches {
            switch(self, &Switch { at_ns, leaving, others_until_ns: 0, next, next_task: 0, counts: false });
            leaving = next;
        }
    }

    fn read(&self) -> Attempt<Moment> {
        try_read(self, || {
            let slot = self.slot.load(Relaxed);
            let since_ns = self.since_ns.load(Relaxed);
            (since_ns, slot, self.cell(slot).map_or(0, |cell| cell.load(Relaxed)))
        })
    }
}

/// What only this CPU reads and writes, or what no switch of these needs, is no atomic.
impl WrittenState for Cpu {
    fn sequence(&self) -> u64 {
        self.sequence.load(Relaxed)
    }

    fn set_sequence(&self, sequence: u64) {
        self.sequence.store(sequence, self.stores);
    }

    fn since_ns(&self) -> u64 {
        self.since_ns.load(Relaxed)
    }

    fn set_since_ns(&self, since_ns: u64) {
        self.since_ns.store(since_ns, self.stores);
    }

    fn idle_ns(&self) -> u64 {
        0
    }

    fn set_idle_ns(&self, _: u64) {}

    fn slot(&self) -> u32 {
        self.slot.load(Relaxed)
    }

    fn set_slot(&self, slot: u32) {
        self.slot.store(slot, self.stores);
    }

    fn set_task(&self, _: u64) {}

    fn window_ns(&self) -> u64 {
        0
    }

    fn charge(&self, slot: u32, length_ns: u64) {
        let cell = self.cell(slot).expect("a cell");
        cell.store(cell.load(Relaxed) + length_ns, self.stores);
    }

    fn count(&self, _: u32) {}

    fn split_counts(&self) {}
}

impl ReadState for Cpu {
    fn sequence(&self) -> u64 {
        self.sequence.load(Relaxed)
    }

    fn fence(&self) {
        fence(Acquire);
    }
}

/// Reads while switches are made, under all orders, or all in which one side interrupts the other so often; how many were
/// whole, torn, and whole without being a moment.
fn explore(stores: Ordering, switches: usize, reads: usize, interruptions: Option<usize>) -> [u64; 3] {
    let seen: Shared<[Count; 3]> = Shared::default();
    let told = Shared::clone(&seen);
    let mut model = loom::model::Builder::new();
    model.preemption_bound = interruptions;
    model.check(move || {
        let cpu = Arc::new(Cpu::new(stores));
        let writer = thread::spawn({
            let cpu = Arc::clone(&cpu);
            move || cpu.switch_all(&SWITCHES[..switches])
        });
        let mut newest = 0;
        for _ in 0..reads {
            let read = cpu.read();
            let moment = MOMENTS.iter().position(|moment| *moment == read.value);
            match moment {
                _ if !read.is_whole => told[1].fetch_add(1, SeqCst),
                Some(moment) if moment >= newest => {
                    newest = moment;
                    told[0].fetch_add(1, SeqCst)
                }
                _ => told[2].fetch_add(1, SeqCst),
            };
        }
        writer.join().expect("no panic");
    });
    [0, 1, 2].map(|kind| seen[kind].load(SeqCst))
}

#[test]
fn what_is_whole_is_one_moment() {
    let [whole, torn, wrong] = explore(Release, 1, 2, None);
    assert!(whole > 0 && torn > 0, "{whole} whole, {torn} torn: too few orders");
    assert_eq!(wrong, 0);
}

#[test]
fn what_is_read_later_is_never_an_earlier_moment() {
    let [whole, torn, wrong] = explore(Release, 2, 2, Some(2));
    assert!(whole > 0 && torn > 0, "{whole} whole, {torn} torn: too few orders");
    assert_eq!(wrong, 0);
}

#[test]
fn a_slot_that_comes_back_is_not_mixed_up_with_itself() {
    let [whole, torn, wrong] = explore(Release, 3, 1, None);
    assert!(whole > 0 && torn > 0, "{whole} whole, {torn} torn: too few orders");
    assert_eq!(wrong, 0);
}

/// The reason for what is said of stores above, and that the model can tell.
#[test]
fn without_an_order_of_stores_halves_would_be_taken_for_a_whole() {
    let [_, _, wrong] = explore(Relaxed, 1, 1, None);
    assert!(wrong > 0);
}
