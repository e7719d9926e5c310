//! From the kernel side's counters to windows of activity.
//!
//! Every counter only grows, and what a window hands out is how far each has moved since the window before. So nothing
//! is lost when a reading comes late, and nothing is handed out twice: a total that seems to fall, because a slice was
//! closed between two reads, waits until it has caught up.

use std::collections::VecDeque;
use std::sync::Arc;

use agent_ebpf::SLOT_OVERFLOW;

use crate::clock::Timestamp;
use crate::units::Nanoseconds;

use super::ended_processes::EndedProcesses;
use super::handed_out::HandedOut;
use super::owners::{Owner, Owners};
use super::{
    ActivityWindow, Comm, ConsumerId, Counts, CpuReading, Lifecycle, Occupant, Pid, ShardId, Shards, Slice, SlotMemory,
    SlotOwner, Topology,
};

/// How long a slot is kept after its process has ended: the last switch away from the last thread comes after the exit
/// event, at the latest when the scheduler lets it run once more.
const GRACE: Nanoseconds = Nanoseconds(500_000_000);

/// How often marks are looked for thoroughly: before any slot of a process that has ended is given back.
const THOROUGH_EVERY: Nanoseconds = Nanoseconds(GRACE.0 / 2);

/// How long a slice is open before it is made sure whose it is: a kernel that leaves out a switch would let the window's
/// rest go to somebody else.
const CHECK_AFTER: Nanoseconds = Nanoseconds(10_000_000);

/// Turns the kernel side's memory into one [`ActivityWindow`] after the other.
#[derive(Debug)]
pub struct Tracker {
    topology: Arc<Topology>,
    window_start: Timestamp,
    /// What was handed out of each cell: `shard * slots + slot`.
    handed_out: Vec<Nanoseconds>,
    /// The same for what was counted; empty without counters. What somebody has beyond the last of his time goes with
    /// the slot: it is what was counted while a window was being closed.
    counts_handed_out: Vec<Counts>,
    /// What was handed out of each CPU's idle time, by place.
    idle_handed_out: Vec<Nanoseconds>,
    owners: Owners,
    ending: VecDeque<(Timestamp, u32)>,
    ended: EndedProcesses,
    due: Vec<u32>,
    released: Vec<(u32, Shards)>,
    /// Exits of processes that no slot was known of yet; they are looked for once more.
    unmatched_exits: Vec<(Pid, Nanoseconds)>,
    cpus: Vec<CpuReading>,
    /// Since when the slice was open that was checked last, by place.
    checked: Vec<Timestamp>,
    grown: Vec<(u32, ShardId)>,
    marked: Vec<u32>,
    /// Cells whose owner was not written yet; they are looked at again.
    unowned: Vec<(u32, ShardId)>,
    named: Vec<Lifecycle>,
    /// How many slices the window before had.
    slices: usize,
    thorough_look: Timestamp,
    /// What has changed since [`Self::written`] was called; nothing where it never is.
    changes: Option<Changes>,
}

/// Cells of which something was handed out, and slots that were given back.
#[derive(Debug, Default)]
struct Changes {
    cells: Vec<(u32, ShardId)>,
    given_back: Vec<u32>,
}

impl Tracker {
    /// A tracker whose first window begins at `start`. What was counted before is not handed out.
    pub fn new(topology: Arc<Topology>, memory: &impl SlotMemory, start: Timestamp) -> Self {
        let cells = topology.shards() * memory.slots();
        let mut tracker = Self {
            window_start: start,
            handed_out: vec![Nanoseconds::ZERO; cells],
            counts_handed_out: vec![Counts::default(); if memory.has_counters() { cells } else { 0 }],
            idle_handed_out: vec![Nanoseconds::ZERO; topology.cpus().len()],
            owners: Owners::new(memory.slots()),
            ending: VecDeque::new(),
            ended: EndedProcesses::default(),
            due: Vec::new(),
            released: Vec::new(),
            unmatched_exits: Vec::new(),
            cpus: vec![CpuReading::default(); topology.cpus().len()],
            checked: vec![Timestamp::default(); topology.cpus().len()],
            grown: Vec::new(),
            marked: Vec::new(),
            unowned: Vec::new(),
            named: Vec::new(),
            slices: 0,
            thorough_look: start,
            changes: None,
            topology,
        };
        tracker.owners.insert(SLOT_OVERFLOW, ConsumerId::OVERFLOW, Comm::default(), start);
        tracker
    }

    /// A tracker that goes on where another one has stopped: its first window is all that ran since then.
    pub fn resume(topology: Arc<Topology>, memory: &impl SlotMemory, before: &HandedOut) -> Self {
        let mut tracker = Self::new(topology, memory, before.to);
        for (handed_out, idle) in tracker.idle_handed_out.iter_mut().zip(&before.idle) {
            *handed_out = *idle;
        }
        for (place, reading) in tracker.cpus.iter_mut().enumerate() {
            *reading = memory.read_cpu(place);
        }
        for slot in SLOT_OVERFLOW..memory.slots() as u32 {
            let Some(consumer) = tracker.identify(slot, before.to, memory) else { continue };
            for shard in (0..tracker.topology.shards()).map(|shard| ShardId(shard as u16)) {
                let cell = memory.cell(shard, slot);
                // Cells of a slot that has changed hands since began at zero.
                let known = before.cells.get(&(slot, shard)).filter(|(owner, _)| *owner == consumer);
                let handed_out = known.map_or(Nanoseconds::ZERO, |(_, handed_out)| *handed_out);
                let index = usize::from(shard.0) * memory.slots() + slot as usize;
                tracker.handed_out[index] = handed_out;
                if cell > handed_out {
                    tracker.unowned.push((slot, shard));
                }
                let has_run = !cell.is_zero() || !handed_out.is_zero();
                if has_run && let Some(owner) = tracker.owners.get_mut(slot) {
                    owner.shards.insert(shard);
                }
            }
        }
        tracker
    }

    /// What was handed out at the end of the last window: what has changed since this was asked last, or `whole`.
    pub fn written(&mut self, whole: bool) -> HandedOut {
        let slots = self.handed_out.len() / self.topology.shards();
        let Changes { mut cells, given_back } = self.changes.replace(Changes::default()).unwrap_or_default();
        if whole {
            let shards = self.topology.shards();
            let of_owner = |(slot, owner): (u32, &Owner)| owner.shards.among(shards).map(move |shard| (slot, shard));
            cells = self.owners.with_slots().flat_map(of_owner).collect();
        }
        let written = cells.into_iter().filter_map(|(slot, shard)| {
            let owner = self.owners.get(slot)?.consumer;
            Some(((slot, shard), (owner, self.handed_out[usize::from(shard.0) * slots + slot as usize])))
        });
        HandedOut {
            to: self.window_start,
            cells: written.collect(),
            given_back: if whole { Vec::new() } else { given_back },
            idle: self.idle_handed_out.clone(),
        }
    }

    /// The machine's CPUs.
    pub fn topology(&self) -> &Arc<Topology> {
        &self.topology
    }

    /// How many slots are in use.
    pub fn slots_used(&self) -> usize {
        self.owners.used()
    }

    /// The consumers whose processes have not ended, as far as is known.
    pub fn living(&self) -> impl Iterator<Item = ConsumerId> {
        self.owners.iter().filter(|owner| !owner.ending && owner.consumer.pid.0 != 0).map(|owner| owner.consumer)
    }

    /// Closes the window at `now`. `events` holds what the kernel side told since the last call; names of consumers
    /// seen for the first time are put before them, ends behind them.
    pub fn close_window(
        &mut self,
        now: Timestamp,
        memory: &mut impl SlotMemory,
        events: &mut Vec<Lifecycle>,
    ) -> ActivityWindow {
        let mut window = ActivityWindow {
            from: self.window_start,
            to: now,
            slices: Vec::with_capacity(self.slices + self.slices / 4),
            idle: vec![Nanoseconds::ZERO; self.topology.shards()],
            topology: Arc::clone(&self.topology),
            counts: Vec::new(),
            kinds: Arc::default(),
        };
        self.window_start = now;
        self.check_long_slices(now, memory);
        self.take_marked(now, memory);
        self.read_cpus(now, memory, &mut window.idle);
        self.find_due(now);
        self.grown.sort_unstable();
        self.grown.dedup();
        self.hand_out(now, memory, &mut window);
        if !self.counts_handed_out.is_empty() && !memory.was_all_counted() {
            window.counts.clear();
        }
        self.slices = window.slices.len();
        self.note_exits(now, events);
        events.splice(0..0, self.named.drain(..));
        self.release_due(memory, events);
        window
    }

    /// Has every slice that is open for long checked once. An idle CPU is left asleep.
    fn check_long_slices(&mut self, now: Timestamp, memory: &mut impl SlotMemory) {
        for (place, checked) in self.checked.iter_mut().enumerate() {
            let CpuReading { occupant, since, .. } = memory.read_cpu(place);
            if matches!(occupant, Occupant::Slot(_)) && since != *checked && now.since(since) >= CHECK_AFTER {
                *checked = since;
                memory.check_occupant(place);
            }
        }
    }

    /// Fills `grown` with the cells of all who were switched to in this window, and of those whose slice was open when
    /// it began: nobody else's can have moved.
    fn take_marked(&mut self, now: Timestamp, memory: &impl SlotMemory) {
        let thorough = now >= self.thorough_look;
        if thorough {
            self.thorough_look = now + THOROUGH_EVERY;
        }
        self.grown.clear();
        self.grown.append(&mut self.unowned);
        for shard in (0..self.topology.shards()).map(|shard| ShardId(shard as u16)) {
            self.marked.clear();
            memory.take_marks(shard, thorough, &mut self.marked);
            self.grown.extend(self.marked.iter().map(|&slot| (slot, shard)));
        }
        memory.begin_epoch(now);
        self.add_open();
    }

    /// Adds the cells of slices that are open on the CPUs as last read.
    fn add_open(&mut self) {
        for (reading, place) in self.cpus.iter().zip(self.topology.cpus()) {
            if let Occupant::Slot(slot) = reading.occupant {
                self.grown.push((slot, place.shard));
            }
        }
    }

    fn read_cpus(&mut self, now: Timestamp, memory: &mut impl SlotMemory, idle: &mut [Nanoseconds]) {
        for (index, place) in self.topology.cpus().iter().enumerate() {
            let reading = if self.counts_handed_out.is_empty() {
                memory.read_cpu(index)
            } else {
                memory.read_cpu_and_counters(index, now)
            };
            self.cpus[index] = reading;
            let mut total = reading.idle;
            if reading.occupant == Occupant::Idle && reading.since != Timestamp::default() {
                total += now.since(reading.since);
            }
            let moved = total.saturating_sub(self.idle_handed_out[index]);
            self.idle_handed_out[index] += moved;
            idle[usize::from(place.shard.0)] += moved;
        }
        self.add_open();
    }

    fn hand_out(&mut self, now: Timestamp, memory: &impl SlotMemory, window: &mut ActivityWindow) {
        let grown = std::mem::take(&mut self.grown);
        for &(slot, shard) in &grown {
            let Some(consumer) = self.identify(slot, now, memory) else {
                self.unowned.push((slot, shard));
                continue;
            };
            let (total, counted) = self.total(slot, shard, now, memory);
            let index = usize::from(shard.0) * memory.slots() + slot as usize;
            let handed_out = &mut self.handed_out[index];
            let cpu_time = total.saturating_sub(*handed_out);
            if let Some(owner) = self.owners.get_mut(slot) {
                owner.shards.insert(shard);
                owner.ran = if cpu_time.is_zero() { owner.ran } else { now };
            }
            if !cpu_time.is_zero() {
                *handed_out = total;
                window.slices.push(Slice { consumer, shard, cpu_time });
                if let Some(changes) = &mut self.changes {
                    changes.cells.push((slot, shard));
                }
                if let Some(handed_out) = self.counts_handed_out.get_mut(index) {
                    window.counts.push(counted.saturating_sub(*handed_out));
                    *handed_out = handed_out.max(counted);
                }
            }
        }
        self.grown = grown;
    }

    /// Closed slices plus those that are open. Where a shard is one CPU, the cell comes from the same reading as the
    /// open slice.
    fn total(&self, slot: u32, shard: ShardId, now: Timestamp, memory: &impl SlotMemory) -> (Nanoseconds, Counts) {
        let (mut open, mut counted_open) = (Nanoseconds::ZERO, Counts::default());
        let mut closed: Option<(Nanoseconds, Counts)> = None;
        for reading in self.topology.places_in(shard).iter().map(|&place| &self.cpus[place]) {
            if reading.occupant == Occupant::Slot(slot) {
                open += now.since(reading.since);
                counted_open += reading.counted_open;
                let (cell, counted) = closed.unwrap_or_default();
                closed = Some((cell.max(reading.cell), counted.max(reading.counted)));
            }
        }
        let has_counters = !self.counts_handed_out.is_empty();
        let (cell, mut counted) = closed.unwrap_or_else(|| {
            let counted = if has_counters { memory.counted(shard, slot) } else { Counts::default() };
            (memory.cell(shard, slot), counted)
        });
        counted += counted_open;
        (cell + open, counted)
    }

    /// The slot's consumer; tells its name when it is new or has changed.
    fn identify(&mut self, slot: u32, now: Timestamp, memory: &impl SlotMemory) -> Option<ConsumerId> {
        if slot == SLOT_OVERFLOW {
            return Some(ConsumerId::OVERFLOW);
        }
        let SlotOwner { consumer, parent, comm, kernel_thread } = memory.owner(slot)?;
        match self.owners.get_mut(slot) {
            Some(owner) if owner.comm == comm => return Some(owner.consumer),
            Some(owner) => owner.comm = comm,
            None => {
                // A last thread that runs once more in another cgroup, after its process was said to have ended.
                let owner = self.owners.insert(slot, consumer, comm, now);
                let due = match owner.older {
                    Some(older) => self.ending.iter().find(|(_, ending)| *ending == older).map(|&(due, _)| due),
                    None => self.ended.contains(consumer.pid, consumer.start).then_some(now + GRACE),
                };
                owner.ending = due.is_some();
                self.ending.extend(due.map(|due| (due, slot)));
            }
        }
        self.named.push(Lifecycle::Named { consumer, parent, comm, kernel_thread });
        Some(consumer)
    }

    fn note_exits(&mut self, now: Timestamp, events: &[Lifecycle]) {
        for (pid, start) in std::mem::take(&mut self.unmatched_exits) {
            self.process_gone(pid, start, now);
        }
        for event in events {
            if let Lifecycle::Exit { pid, start, .. } = *event
                && !self.process_gone(pid, start, now)
            {
                self.unmatched_exits.push((pid, start));
            }
        }
    }

    /// A process has ended: its slots are given back after a grace time. Tells whether it was known.
    pub fn process_gone(&mut self, pid: Pid, start: Nanoseconds, now: Timestamp) -> bool {
        self.owners.end(pid, start, |slot| self.ending.push_back((now + GRACE, slot)))
    }

    /// Moves the slots whose grace time is over to `due`, and has their cells looked at a last time.
    fn find_due(&mut self, now: Timestamp) {
        self.due.clear();
        while let Some(&(at, slot)) = self.ending.front()
            && at <= now
        {
            self.ending.pop_front();
            let Some(owner) = self.owners.get_mut(slot) else { continue };
            let (ran_lately, shards) = (owner.ran + GRACE > now, owner.shards);
            if ran_lately || self.cpus.iter().any(|reading| reading.occupant == Occupant::Slot(slot)) {
                self.ending.push_back((now + GRACE, slot));
                continue;
            }
            self.due.push(slot);
            self.grown.extend(shards.among(self.topology.shards()).map(|shard| (slot, shard)));
        }
    }

    fn release_due(&mut self, memory: &mut impl SlotMemory, events: &mut Vec<Lifecycle>) {
        if self.due.is_empty() {
            return;
        }
        self.released.clear();
        for index in 0..self.due.len() {
            let slot = self.due[index];
            let Some((owner, last)) = self.owners.remove(slot) else { continue };
            for shard in owner.shards.among(self.topology.shards()) {
                let index = usize::from(shard.0) * memory.slots() + slot as usize;
                self.handed_out[index] = Nanoseconds::ZERO;
                if let Some(handed_out) = self.counts_handed_out.get_mut(index) {
                    *handed_out = Counts::default();
                }
            }
            let consumer = owner.consumer;
            if last {
                self.ended.insert(consumer.pid, consumer.start);
            }
            self.released.push((slot, owner.shards));
            if let Some(changes) = &mut self.changes {
                changes.given_back.push(slot);
            }
            events.push(Lifecycle::Ended { consumer });
        }
        memory.release(&self.released);
    }
}

#[cfg(test)]
#[path = "tracker_tests.rs"]
mod tests;
