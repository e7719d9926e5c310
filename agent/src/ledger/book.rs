//! The books of all levels together.

use crate::activity::{ActivityWindow, CgroupId, Comm, ConsumerId, Lifecycle};
use crate::attribute::{Attribution, Share};
use crate::clock::Timestamp;
use crate::config::LedgerConfig;
use crate::identity::Names;
use crate::units::{Microjoules, Nanoseconds};

use super::Generation;
use super::entries::{Cgroup, Command, Epitaph, Process};
use super::function_book::{Charge, FunctionBook};
use super::level::{Level, Limits};
use super::line::{LineRef, Moment, Pictures};
use super::usage::{Period, Usage};
use super::zone_book::ZoneBook;

/// How often lines are given to those that use more.
const REBALANCE_EVERY: Nanoseconds = Nanoseconds(10 * 1_000_000_000);

/// How much longer than the retention an ended line waits where nobody asks for a whole picture.
const UNASKED: Nanoseconds = Nanoseconds(300 * 1_000_000_000);

/// Cumulative energy and CPU time.
///
/// Once per window, in this order: [`Ledger::record`] what ran, [`Ledger::charge`] the energy that has become known,
/// [`Ledger::retire`] what has ended, and [`Ledger::close_window`]. Energy may come any time after the window in which
/// it was used was recorded, also for consumers that have ended or were forgotten since: what has no line of its own
/// any more is in the lines `other`, and the sums stay exact.
#[derive(Debug)]
pub struct Ledger {
    zones: Vec<ZoneBook>,
    periods: Vec<Period>,
    pub(super) processes: Level<ConsumerId, Process>,
    pub(super) commands: Level<(CgroupId, Comm), Command>,
    pub(super) cgroups: Level<CgroupId, Cgroup>,
    pub(super) functions: FunctionBook,
    idle_cpu_time: Nanoseconds,
    busy_cpu_time: Nanoseconds,
    generation: Generation,
    at: Timestamp,
    /// The end of the last recorded window.
    now: Timestamp,
    rebalanced: Timestamp,
    pictures: Pictures,
    retention: Nanoseconds,
    /// What had already ended when it was first recorded.
    ended_before: Vec<ConsumerId>,
    removed_before: Vec<CgroupId>,
}

impl Ledger {
    /// Empty books.
    pub fn new(config: &LedgerConfig) -> Self {
        let limits = |visible| Limits { visible, ended: config.max_ended };
        Self {
            zones: Vec::new(),
            periods: Vec::new(),
            processes: Level::new(limits(config.max_processes)),
            commands: Level::new(limits(config.max_commands)),
            cgroups: Level::new(limits(config.max_cgroups)),
            functions: FunctionBook::new(limits(config.max_functions)),
            idle_cpu_time: Nanoseconds::ZERO,
            busy_cpu_time: Nanoseconds::ZERO,
            generation: Generation::default(),
            at: Timestamp::default(),
            now: Timestamp::default(),
            rebalanced: Timestamp::default(),
            pictures: Pictures::default(),
            retention: config.ended_retention.into(),
            ended_before: Vec::new(),
            removed_before: Vec::new(),
        }
    }

    /// Takes over another configuration. Lines that are too many for it go within ten seconds.
    pub fn reconfigure(&mut self, config: &LedgerConfig) {
        let limits = |visible| Limits { visible, ended: config.max_ended };
        self.processes.limits = limits(config.max_processes);
        self.commands.limits = limits(config.max_commands);
        self.cgroups.limits = limits(config.max_cgroups);
        self.functions.set_limits(limits(config.max_functions));
        self.retention = config.ended_retention.into();
    }

    /// Adds a window's CPU time. The window's events must have been applied to `names` before: what has no command
    /// name yet is counted among the commands without a line of their own.
    pub fn record(&mut self, window: &ActivityWindow, names: &Names) {
        self.now = window.to;
        self.processes.begin_window();
        self.commands.begin_window();
        self.cgroups.begin_window();
        self.functions.begin_window();
        for same in window.slices.chunk_by(|left, right| left.consumer == right.consumer) {
            let cpu_time = same.iter().map(|slice| slice.cpu_time).sum();
            self.record_consumer(same[0].consumer, cpu_time, (window.from, window.to), names);
            self.busy_cpu_time += cpu_time;
        }
        self.idle_cpu_time += window.idle.iter().copied().sum();
    }

    fn record_consumer(
        &mut self,
        consumer: ConsumerId,
        cpu_time: Nanoseconds,
        time: (Timestamp, Timestamp),
        names: &Names,
    ) {
        let moment = self.moment();
        let living = names.living(&consumer);
        let name = living.or_else(|| names.ended(&consumer));
        let ended = living.is_none() && name.is_some();
        let cgroup = name.map_or(consumer.cgroup, |name| name.cgroup);
        let comm = name.map(|name| name.comm);

        self.functions.record(cgroup, cpu_time, time, names, moment);
        let removed = names.is_removed(cgroup);
        let in_cgroup = self.cgroups.record(cgroup, cpu_time, !removed, moment, Cgroup::default);
        if in_cgroup.fresh && removed {
            self.removed_before.push(cgroup);
        }
        let command_line = name.and_then(|name| {
            let command = || Command { text: name.comm_text.clone(), processes: 0, cgroup_name: None };
            let recorded = self.commands.record((cgroup, name.comm), cpu_time, !removed, moment, command);
            if let (true, Some(line)) = (recorded.fresh, recorded.line) {
                self.list_command(in_cgroup.line, line);
            }
            recorded.line
        });
        if name.is_none() {
            self.commands.record_other(cpu_time);
        }
        let recorded = self.processes.record(consumer, cpu_time, !ended, moment, Process::default);
        if recorded.fresh && ended {
            self.ended_before.push(consumer);
        }
        let Some(process) = recorded.line.and_then(|line| self.processes.get_mut(line)) else { return };
        let renamed = recorded.fresh || (process.extra.cgroup, process.extra.comm) != (cgroup, comm);
        process.extra.cgroup = cgroup;
        process.extra.comm = comm;
        process.extra.cgroup_line = in_cgroup.line;
        process.extra.command_line = command_line;
        if !ended {
            process.extra.epitaph = None;
        }
        if let Some(command) = command_line.filter(|_| renamed).and_then(|line| self.commands.get_mut(line)) {
            command.extra.processes += 1;
        }
    }

    /// Lists all commands with their cgroups.
    pub(super) fn list_commands(&mut self) {
        let commands: Vec<_> = self.commands.lines().map(|(place, line)| (line.key.0, place)).collect();
        for (cgroup, command) in commands {
            self.list_command(self.cgroups.find(&cgroup), command);
        }
    }

    /// A cgroup knows its commands, so that they end with it.
    fn list_command(&mut self, cgroup: Option<LineRef>, command: LineRef) {
        let Some(cgroup) = cgroup.and_then(|line| self.cgroups.get_mut(line)) else { return };
        let listed = &mut cgroup.extra.commands;
        if listed.len() >= 64 && listed.len().is_power_of_two() {
            let commands = &self.commands;
            listed.retain(|line| commands.get(*line).is_some());
        }
        listed.push(command);
    }

    /// Adds a zone's energy over a window, to the lines of those who ran and to the zone. Returns the zone's index, which
    /// it keeps.
    pub fn charge(&mut self, attribution: &Attribution, names: &Names) -> usize {
        let zone = self.zone_index(attribution);
        for share in &attribution.shares {
            self.charge_share(zone, share, (attribution.from, attribution.to), names);
        }
        self.zones[zone].add(attribution, self.generation.next());
        self.periods[zone] = self.zones[zone].period();
        zone
    }

    fn charge_share(&mut self, zone: usize, share: &Share, time: (Timestamp, Timestamp), names: &Names) {
        let (moment, period) = (self.moment(), self.periods[zone]);
        let energy = (share.active, share.idle);
        let place = self.processes.find(&share.consumer);
        let known = place.and_then(|line| self.processes.get(line)).map(|line| &line.extra);
        let (cgroup, comm, cgroup_line, command_line) = if let Some(process) = known {
            (process.cgroup, process.comm, process.cgroup_line, process.command_line)
        } else {
            let comm = names.consumer(&share.consumer).map(|name| name.comm);
            (names.cgroup_of(&share.consumer), comm, None, None)
        };
        let cgroup_line = self.cgroups.renew(cgroup_line, &cgroup);
        let command_line = comm.and_then(|comm| self.commands.renew(command_line, &(cgroup, comm)));
        self.processes.charge(place, zone, energy, period, moment);
        self.commands.charge(command_line, zone, energy, period, moment);
        self.cgroups.charge(cgroup_line, zone, energy, period, moment);
        let charge = Charge { zone, active: share.active, idle: share.idle, period };
        self.functions.charge(cgroup, charge, time, names, moment);
    }

    fn zone_index(&mut self, attribution: &Attribution) -> usize {
        if let Some(known) = self.zones.iter().position(|book| book.zone == attribution.zone) {
            return known;
        }
        self.zones.push(ZoneBook::new(attribution));
        self.periods.push(Period::default());
        self.zones.len() - 1
    }

    /// Ends the lines of consumers that have ended and of cgroups that were removed. They stay for a while, as the
    /// configuration says.
    pub fn retire(&mut self, events: &[Lifecycle], names: &Names) {
        for event in events {
            match event {
                Lifecycle::Ended { consumer } => self.end_process(*consumer, names),
                Lifecycle::CgroupRemoved { cgroup, .. } => self.end_cgroup(*cgroup, names),
                Lifecycle::Named { .. }
                | Lifecycle::Exec { .. }
                | Lifecycle::Exit { .. }
                | Lifecycle::CgroupMade { .. } => {}
            }
        }
        for consumer in std::mem::take(&mut self.ended_before) {
            self.end_process(consumer, names);
        }
        for cgroup in std::mem::take(&mut self.removed_before) {
            self.end_cgroup(cgroup, names);
        }
        self.functions.settle(names, self.moment(), &self.periods);
    }

    fn end_process(&mut self, consumer: ConsumerId, names: &Names) {
        let moment = self.moment();
        let Some(line) = self.processes.find(&consumer) else { return };
        if !self.processes.end(line, moment, &self.periods) {
            return;
        }
        let Some(process) = self.processes.get_mut(line) else { return };
        let cgroup = process.extra.cgroup;
        process.extra.epitaph.get_or_insert_with(|| {
            let (comm, exe) = (names.process_comm(&consumer).cloned(), names.exe(&consumer).cloned());
            let name = names.consumer(&consumer).cloned();
            Box::new(Epitaph { name, comm, exe, cgroup, cgroup_name: names.cgroup(cgroup).cloned() })
        });
    }

    fn end_cgroup(&mut self, cgroup: CgroupId, names: &Names) {
        let moment = self.moment();
        self.functions.remove(cgroup, moment, &self.periods);
        let Some(line) = self.cgroups.find(&cgroup) else { return };
        let Some(entry) = self.cgroups.get_mut(line) else { return };
        let name = names.cgroup(cgroup);
        entry.extra.name = name.cloned();
        for command in std::mem::take(&mut entry.extra.commands) {
            self.commands.end(command, moment, &self.periods);
            if let Some(command) = self.commands.get_mut(command) {
                command.extra.cgroup_name = name.cloned();
            }
        }
        self.cgroups.end(line, moment, &self.periods);
    }

    /// Closes the window that ends at `at`.
    pub fn close_window(&mut self, at: Timestamp) {
        self.generation = self.generation.next();
        self.at = at;
        self.now = at;
        for (book, period) in self.zones.iter_mut().zip(&mut self.periods) {
            book.notice_silence(at, self.generation);
            *period = book.period();
        }
        let moment = self.moment();
        let unasked = self.retention + UNASKED;
        self.processes.expire(moment, self.retention, unasked, &self.periods);
        self.commands.expire(moment, self.retention, unasked, &self.periods);
        self.cgroups.expire(moment, self.retention, unasked, &self.periods);
        if at.since(self.rebalanced) >= REBALANCE_EVERY {
            self.rebalanced = at;
            self.processes.rebalance(moment, &self.periods);
            self.commands.rebalance(moment, &self.periods);
            self.cgroups.rebalance(moment, &self.periods);
        }
    }

    /// The last closed window.
    pub fn generation(&self) -> Generation {
        self.generation
    }

    /// The end of the last closed window.
    pub fn at(&self) -> Timestamp {
        self.at
    }

    /// CPU time that was idle, over all CPUs.
    pub fn idle_cpu_time(&self) -> Nanoseconds {
        self.idle_cpu_time
    }

    /// CPU time of all consumers, over all CPUs.
    pub fn busy_cpu_time(&self) -> Nanoseconds {
        self.busy_cpu_time
    }

    /// What the parts of a zone are short of the whole at any level, in microjoules: 0, or there is a bug.
    pub(crate) fn books_error(&self, zone: usize) -> i128 {
        let book = &self.zones[zone];
        let level_error = |charged: Microjoules| i128::from(book.charged().0) - i128::from(charged.0);
        [
            book.parts_error(),
            level_error(self.processes.charged(zone)),
            level_error(self.commands.charged(zone)),
            level_error(self.cgroups.charged(zone)),
            level_error(self.functions.charged(zone)),
        ]
        .into_iter()
        .max_by_key(|error| error.abs())
        .unwrap_or_default()
    }

    pub(crate) fn zones(&self) -> &[ZoneBook] {
        &self.zones
    }

    pub(crate) fn processes(&self) -> &Level<ConsumerId, Process> {
        &self.processes
    }

    pub(crate) fn commands(&self) -> &Level<(CgroupId, Comm), Command> {
        &self.commands
    }

    pub(crate) fn cgroups(&self) -> &Level<CgroupId, Cgroup> {
        &self.cgroups
    }

    pub(crate) fn functions(&self) -> &FunctionBook {
        &self.functions
    }

    /// What waits for its function to be told.
    pub(crate) fn pending_functions(&self) -> Usage {
        self.functions.pending(&self.periods)
    }

    /// Notes that a picture has been made; a whole one counts as exported.
    pub(crate) fn note_picture(&mut self, whole: bool) {
        self.pictures.0 += 1;
        if whole {
            self.processes.note_exported(self.at);
            self.commands.note_exported(self.at);
            self.cgroups.note_exported(self.at);
        }
    }

    pub(super) fn pictures(&self) -> Pictures {
        self.pictures
    }

    /// Begins where an earlier agent has stopped. Returns what its lines are taken over with.
    pub(super) fn begin_with(
        &mut self,
        generation: Generation,
        (idle, busy): (Nanoseconds, Nanoseconds),
        zones: Vec<ZoneBook>,
    ) -> (Moment, Vec<Period>) {
        self.generation = generation;
        // Whatever there is may have been seen by who asked that agent.
        self.pictures = Pictures(1);
        (self.idle_cpu_time, self.busy_cpu_time) = (idle, busy);
        self.periods = zones.iter().map(ZoneBook::period).collect();
        self.zones = zones;
        (self.moment(), self.periods.clone())
    }

    fn moment(&self) -> Moment {
        Moment { open: self.generation.next(), at: self.now, pictures: self.pictures }
    }
}
