//! The tracker against a memory that the test moves by hand.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::activity::{CgroupId, CoreKind, CpuPlace};

const SLOTS: usize = 16;

/// Two CPUs, each its own shard, simulated switch by switch.
struct Machine {
    now: Timestamp,
    cpus: [CpuReading; 2],
    cells: RefCell<Vec<u64>>,
    marks: RefCell<Vec<bool>>,
    owners: Vec<Option<SlotOwner>>,
    released: Vec<u32>,
    /// Who runs instead of who was seen to come.
    unreported: [Option<Occupant>; 2],
    window_start: Cell<Timestamp>,
    /// What was counted in each cell, where the machine has counters.
    counted: Option<RefCell<Vec<Counts>>>,
    all_counted: bool,
}

impl Machine {
    fn new() -> Self {
        let idle = CpuReading { since: Timestamp(1), ..CpuReading::default() };
        Self {
            now: Timestamp(1),
            cpus: [idle; 2],
            cells: RefCell::new(vec![0; 2 * SLOTS]),
            marks: RefCell::new(vec![false; 2 * SLOTS]),
            owners: vec![None; SLOTS],
            released: Vec::new(),
            unreported: [None; 2],
            window_start: Cell::default(),
            counted: None,
            all_counted: true,
        }
    }

    /// After a pause a CPU switches to a slot; below the first that is handed out, to its idle task.
    fn go_on(&mut self, cpu: usize, slot: u32, pause: Nanoseconds) {
        self.now = self.now + pause;
        if slot < 2 {
            self.switch(cpu, Occupant::Idle);
        } else {
            self.own(slot, "x");
            self.switch(cpu, Occupant::Slot(slot));
        }
    }

    fn with_counters() -> Self {
        Self { counted: Some(RefCell::new(vec![Counts::default(); 2 * SLOTS])), ..Self::new() }
    }

    /// What is counted while a slot runs: as many cycles a nanosecond as its number, and twice as many instructions.
    fn counts(slot: u32, length: Nanoseconds) -> Counts {
        Counts { cycles: length.0 * u64::from(slot), instructions: 2 * length.0 * u64::from(slot) }
    }

    fn topology() -> Arc<Topology> {
        let place =
            |cpu| CpuPlace { cpu, package: 0, core: cpu, kind: CoreKind::default(), shard: ShardId(cpu as u16) };
        Arc::new(Topology::new(vec![place(0), place(1)]))
    }

    fn own(&mut self, slot: u32, comm: &str) -> ConsumerId {
        let consumer = ConsumerId { cgroup: CgroupId(7), pid: Pid(100 + slot), start: Nanoseconds(u64::from(slot)) };
        self.owners[slot as usize] =
            Some(SlotOwner { consumer, parent: Pid(1), comm: Comm::new(comm), kernel_thread: false });
        consumer
    }

    fn switch(&mut self, cpu: usize, next: Occupant) {
        let reading = self.cpus[cpu];
        let length = self.now.since(reading.since);
        let mut idle = reading.idle;
        match reading.occupant {
            Occupant::Slot(slot) => {
                self.cells.borrow_mut()[cpu * SLOTS + slot as usize] += length.0;
                if let Some(counted) = &self.counted {
                    counted.borrow_mut()[cpu * SLOTS + slot as usize] += Self::counts(slot, length);
                }
            }
            _ => idle += length,
        }
        let cell = match next {
            Occupant::Slot(slot) => {
                self.marks.borrow_mut()[cpu * SLOTS + slot as usize] = true;
                Nanoseconds(self.cells.borrow()[cpu * SLOTS + slot as usize])
            }
            _ => Nanoseconds::ZERO,
        };
        let counted = match (next, &self.counted) {
            (Occupant::Slot(slot), Some(counted)) => counted.borrow()[cpu * SLOTS + slot as usize],
            _ => Counts::default(),
        };
        let counted_open = Counts::default();
        self.cpus[cpu] = CpuReading { occupant: next, since: self.now, idle, cell, counted, counted_open };
    }

    fn exit_of(consumer: ConsumerId, at: Timestamp) -> Vec<Lifecycle> {
        vec![Lifecycle::Exit { at, pid: consumer.pid, start: consumer.start }]
    }
}

impl SlotMemory for Machine {
    fn slots(&self) -> usize {
        SLOTS
    }
    fn read_cpu(&self, place: usize) -> CpuReading {
        self.cpus[place]
    }
    fn has_counters(&self) -> bool {
        self.counted.is_some()
    }
    fn read_cpu_and_counters(&mut self, place: usize, now: Timestamp) -> CpuReading {
        let mut reading = self.cpus[place];
        if let Occupant::Slot(slot) = reading.occupant {
            reading.counted_open = Self::counts(slot, now.since(reading.since));
        }
        reading
    }
    fn counted(&self, shard: ShardId, slot: u32) -> Counts {
        self.counted.as_ref().unwrap().borrow()[usize::from(shard.0) * SLOTS + slot as usize]
    }
    fn was_all_counted(&mut self) -> bool {
        std::mem::replace(&mut self.all_counted, true)
    }
    fn check_occupant(&mut self, place: usize) {
        if let Some(unreported) = self.unreported[place].take() {
            // As the program does: what earlier windows have handed out stays, the rest is the other's.
            let since = self.cpus[place].since.max(self.window_start.get());
            let now = std::mem::replace(&mut self.now, since);
            self.switch(place, unreported);
            self.now = now;
        }
    }
    fn take_marks(&self, shard: ShardId, _thorough: bool, marked: &mut Vec<u32>) {
        let start = usize::from(shard.0) * SLOTS;
        for slot in 0..SLOTS {
            if std::mem::take(&mut self.marks.borrow_mut()[start + slot]) {
                marked.push(slot as u32);
            }
        }
    }
    fn begin_epoch(&self, now: Timestamp) {
        self.window_start.set(now);
    }
    fn cell(&self, shard: ShardId, slot: u32) -> Nanoseconds {
        Nanoseconds(self.cells.borrow()[usize::from(shard.0) * SLOTS + slot as usize])
    }
    fn owner(&self, slot: u32) -> Option<SlotOwner> {
        self.owners[slot as usize]
    }
    fn release(&mut self, slots: &[(u32, Shards)]) {
        for &(slot, shards) in slots {
            self.owners[slot as usize] = None;
            for shard in shards.among(2) {
                self.cells.borrow_mut()[usize::from(shard.0) * SLOTS + slot as usize] = 0;
                if let Some(counted) = &self.counted {
                    counted.borrow_mut()[usize::from(shard.0) * SLOTS + slot as usize] = Counts::default();
                }
            }
            assert_eq!(self.cells.borrow().iter().skip(slot as usize).step_by(SLOTS).sum::<u64>(), 0);
            self.released.push(slot);
        }
    }
}

fn started(machine: &mut Machine) -> Tracker {
    let mut tracker = Tracker::new(Machine::topology(), machine, machine.now);
    tracker.close_window(machine.now, machine, &mut Vec::new());
    tracker
}

#[test]
fn a_task_that_never_yields_is_in_every_window() {
    let mut machine = Machine::new();
    let mut tracker = started(&mut machine);
    let consumer = machine.own(5, "spin");
    machine.switch(0, Occupant::Slot(5));
    for _ in 0..10 {
        machine.now = machine.now + Nanoseconds::from_millis(10);
        let window = tracker.close_window(machine.now, &mut machine, &mut Vec::new());
        assert_eq!(window.slices, [Slice { consumer, shard: ShardId(0), cpu_time: Nanoseconds::from_millis(10) }]);
        assert_eq!(window.idle, [Nanoseconds::ZERO, Nanoseconds::from_millis(10)]);
    }
}

#[test]
fn who_came_by_a_switch_that_was_not_reported_is_found_out() {
    let mut machine = Machine::new();
    let mut tracker = started(&mut machine);
    let (seen, running) = (machine.own(5, "seen"), machine.own(6, "running"));
    machine.switch(0, Occupant::Slot(5));
    machine.now = machine.now + Nanoseconds::from_millis(100);
    let window = tracker.close_window(machine.now, &mut machine, &mut Vec::new());
    assert_eq!(window.slices[0].consumer, seen);

    // A look comes too late for what was handed out, and in time for what was not.
    machine.switch(1, Occupant::Slot(5));
    machine.unreported = [Some(Occupant::Slot(6)); 2];
    machine.now = machine.now + Nanoseconds::from_millis(100);
    let window = tracker.close_window(machine.now, &mut machine, &mut Vec::new());
    let slice = |consumer, shard| Slice { consumer, shard: ShardId(shard), cpu_time: Nanoseconds::from_millis(100) };
    assert_eq!(window.slices, [slice(seen, 0), slice(running, 1)]);
    assert_eq!(machine.unreported[0], Some(Occupant::Slot(6)), "checked once, when it was still as reported");
}

#[test]
fn a_life_within_one_window_is_billed_and_its_slot_comes_back() {
    let mut machine = Machine::new();
    let mut tracker = started(&mut machine);
    let consumer = machine.own(6, "brief");
    machine.switch(1, Occupant::Slot(6));
    machine.now = machine.now + Nanoseconds::from_millis(1);
    let mut events = Machine::exit_of(consumer, machine.now);
    machine.switch(1, Occupant::Idle);
    let window = tracker.close_window(machine.now, &mut machine, &mut events);
    assert_eq!(window.slices, [Slice { consumer, shard: ShardId(1), cpu_time: Nanoseconds::from_millis(1) }]);
    assert!(matches!(events[0], Lifecycle::Named { consumer: named, .. } if named == consumer));
    assert!(machine.released.is_empty(), "its last switch may still come");
    machine.now = machine.now + Nanoseconds::SECOND;
    events.clear();
    tracker.close_window(machine.now, &mut machine, &mut events);
    assert_eq!(
        (machine.released.as_slice(), events.as_slice()),
        ([6].as_slice(), [Lifecycle::Ended { consumer }].as_slice())
    );
    assert_eq!(tracker.slots_used(), 1, "the overflow slot alone");
}

#[test]
fn time_after_the_exit_event_is_billed_before_the_slot_goes() {
    let mut machine = Machine::new();
    let mut tracker = started(&mut machine);
    let consumer = machine.own(6, "slow-exit");
    machine.switch(0, Occupant::Slot(6));
    machine.now = machine.now + Nanoseconds::from_millis(5);
    let mut events = Machine::exit_of(consumer, machine.now);
    tracker.close_window(machine.now, &mut machine, &mut events);
    machine.now = machine.now + Nanoseconds::SECOND;
    let window = tracker.close_window(machine.now, &mut machine, &mut Vec::new());
    assert_eq!(window.busy(None), Nanoseconds::SECOND);
    assert!(machine.released.is_empty(), "it still runs");
    machine.now = machine.now + Nanoseconds::from_millis(2);
    machine.switch(0, Occupant::Idle);
    machine.now = machine.now + Nanoseconds::SECOND;
    let window = tracker.close_window(machine.now, &mut machine, &mut Vec::new());
    assert_eq!(window.busy(None), Nanoseconds::from_millis(2));
    assert_eq!(machine.released, [6]);
}

#[test]
fn who_still_runs_now_and_then_after_the_exit_event_keeps_the_slot() {
    let mut machine = Machine::new();
    let mut tracker = started(&mut machine);
    let consumer = machine.own(6, "starved-exit");
    machine.switch(0, Occupant::Slot(6));
    machine.now = machine.now + Nanoseconds::from_millis(5);
    machine.switch(0, Occupant::Idle);
    let mut events = Machine::exit_of(consumer, machine.now);
    tracker.close_window(machine.now, &mut machine, &mut events);
    for _ in 0..10 {
        machine.now = machine.now + Nanoseconds::from_millis(350);
        machine.switch(0, Occupant::Slot(6));
        machine.now = machine.now + Nanoseconds::from_millis(1);
        machine.switch(0, Occupant::Idle);
        let window = tracker.close_window(machine.now, &mut machine, &mut Vec::new());
        assert_eq!(window.busy(None), Nanoseconds::from_millis(1));
        assert!(machine.released.is_empty());
    }
    machine.now = machine.now + Nanoseconds::SECOND;
    tracker.close_window(machine.now, &mut machine, &mut Vec::new());
    assert_eq!(machine.released, [6]);
}

#[test]
fn a_slot_that_somebody_gets_after_his_end_comes_back_too() {
    let mut machine = Machine::new();
    let mut tracker = started(&mut machine);
    let consumer = machine.own(6, "late");
    machine.switch(0, Occupant::Slot(6));
    machine.now = machine.now + Nanoseconds::from_millis(5);
    machine.switch(0, Occupant::Idle);
    let mut events = Machine::exit_of(consumer, machine.now);
    tracker.close_window(machine.now, &mut machine, &mut events);
    machine.now = machine.now + Nanoseconds::SECOND;
    tracker.close_window(machine.now, &mut machine, &mut Vec::new());
    assert_eq!(machine.released, [6]);

    machine.own(8, "late");
    machine.owners[8].as_mut().unwrap().consumer = consumer;
    machine.switch(0, Occupant::Slot(8));
    machine.now = machine.now + Nanoseconds::from_millis(2);
    machine.switch(0, Occupant::Idle);
    let window = tracker.close_window(machine.now, &mut machine, &mut Vec::new());
    assert_eq!(window.slices, [Slice { consumer, shard: ShardId(0), cpu_time: Nanoseconds::from_millis(2) }]);
    machine.now = machine.now + Nanoseconds::SECOND;
    events.clear();
    tracker.close_window(machine.now, &mut machine, &mut events);
    assert_eq!(
        (machine.released.as_slice(), events.as_slice()),
        ([6, 8].as_slice(), [Lifecycle::Ended { consumer }].as_slice())
    );
}

#[test]
fn a_new_command_name_is_told_once() {
    let mut machine = Machine::new();
    let mut tracker = started(&mut machine);
    machine.own(5, "sh");
    machine.switch(0, Occupant::Slot(5));
    let mut names = Vec::new();
    for comm in ["sh", "sh", "sleep", "sleep"] {
        machine.own(5, comm);
        machine.now = machine.now + Nanoseconds::from_millis(1);
        let mut events = Vec::new();
        tracker.close_window(machine.now, &mut machine, &mut events);
        names.extend(events.iter().map(|event| match event {
            Lifecycle::Named { comm, .. } => comm.to_text(),
            other => panic!("{other:?}"),
        }));
    }
    assert_eq!(names, ["sh", "sleep"]);
}

#[test]
fn a_slot_whose_owner_is_not_written_yet_waits() {
    let mut machine = Machine::new();
    let mut tracker = started(&mut machine);
    machine.switch(0, Occupant::Slot(9));
    machine.now = machine.now + Nanoseconds::from_millis(3);
    machine.switch(0, Occupant::Idle);
    assert!(tracker.close_window(machine.now, &mut machine, &mut Vec::new()).slices.is_empty());
    machine.own(9, "late");
    let window = tracker.close_window(machine.now, &mut machine, &mut Vec::new());
    assert_eq!(window.busy(None), Nanoseconds::from_millis(3));
}

#[test]
fn a_window_that_was_not_all_counted_has_no_counts_and_the_next_one_only_its_own() {
    let mut machine = Machine::with_counters();
    let mut tracker = started(&mut machine);
    machine.own(5, "spin");
    machine.switch(0, Occupant::Slot(5));
    for all_counted in [true, false, true] {
        machine.all_counted = all_counted;
        machine.now = machine.now + Nanoseconds::from_millis(10);
        let window = tracker.close_window(machine.now, &mut machine, &mut Vec::new());
        let expected = Machine::counts(5, Nanoseconds::from_millis(10));
        assert_eq!(window.counts, if all_counted { vec![expected] } else { Vec::new() });
    }
}

#[test]
fn who_gets_a_slot_again_begins_with_no_counts() {
    let mut machine = Machine::with_counters();
    let mut tracker = started(&mut machine);
    for _ in 0..2 {
        let consumer = machine.own(6, "brief");
        machine.switch(1, Occupant::Slot(6));
        machine.now = machine.now + Nanoseconds::from_millis(1);
        machine.switch(1, Occupant::Idle);
        let mut events = Machine::exit_of(consumer, machine.now);
        let window = tracker.close_window(machine.now, &mut machine, &mut events);
        assert_eq!(window.counts, [Machine::counts(6, Nanoseconds::from_millis(1))]);
        machine.now = machine.now + Nanoseconds::SECOND;
        tracker.close_window(machine.now, &mut machine, &mut Vec::new());
    }
    assert_eq!(machine.released, [6, 6]);
}

proptest! {
    /// Whatever runs and whenever one looks: what was counted while somebody ran is his, in the window in which he ran.
    #[test]
    fn counts_go_with_the_time(
        steps in prop::collection::vec((0_usize..2, 0_u32..10, 1_u64..5_000_000, any::<bool>()), 1..200),
    ) {
        let mut machine = Machine::with_counters();
        let mut tracker = started(&mut machine);
        for (cpu, slot, pause, look) in steps {
            machine.go_on(cpu, slot, Nanoseconds(pause));
            if look {
                let window = tracker.close_window(machine.now, &mut machine, &mut Vec::new());
                let expected = window.slices.iter().map(|slice| Machine::counts(slice.consumer.pid.0 - 100, slice.cpu_time));
                prop_assert_eq!(window.counts, expected.collect::<Vec<_>>());
            }
        }
    }

    /// Whatever runs and whenever one looks: consumers plus idle are the wall time of both CPUs, to the nanosecond.
    #[test]
    fn time_is_closed(
        steps in prop::collection::vec((0_usize..2, 0_u32..10, 1_u64..5_000_000, any::<bool>(), 0_u8..20), 1..200),
    ) {
        let mut machine = Machine::new();
        let mut tracker = started(&mut machine);
        let start = machine.now;
        let mut handed_out = Nanoseconds::ZERO;
        let mut written = tracker.written(true);
        for (cpu, slot, pause, look, restart) in steps {
            machine.go_on(cpu, slot, Nanoseconds(pause));
            if look {
                let window = tracker.close_window(machine.now, &mut machine, &mut Vec::new());
                handed_out += window.busy(None) + window.idle.iter().copied().sum();
                written.follow(tracker.written(false));
            }
            if restart == 0 {
                // The next agent knows what was written at the end of a window, and goes on from there.
                tracker = Tracker::resume(Machine::topology(), &machine, &written);
                written = tracker.written(true);
            }
        }
        let window = tracker.close_window(machine.now, &mut machine, &mut Vec::new());
        handed_out += window.busy(None) + window.idle.iter().copied().sum();
        prop_assert_eq!(handed_out.0, 2 * machine.now.since(start).0);
    }
}
