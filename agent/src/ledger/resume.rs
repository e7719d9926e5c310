//! Writing the books down, and going on with what an earlier agent has written.

use std::hash::Hash;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::activity::{CgroupId, Comm, ConsumerId};
use crate::identity::{CgroupName, ConsumerName, Function, FunctionId, Names};

use super::book::Ledger;
use super::entries::{Cgroup, Command, Epitaph, Process};
use super::level::{Level, Resumed};
use super::line::{Line, Pictures};
use super::record::{
    CgroupRecord, CommandRecord, EpitaphRecord, LedgerRecord, LevelRecord, LineRecord, PendingRecord, ProcessRecord,
    UsageRecord, ZoneRecord,
};
use super::usage::{Period, Recent, Usage, ZoneUse};
use super::zone_book::ZoneBook;
use super::{Generation, function_book::FunctionBook};

impl Ledger {
    /// The books at the end of the last closed window: the lines that have changed in it, or `whole`, all of them.
    pub fn written(&self, names: &Names, whole: bool) -> LedgerRecord {
        let generation = self.generation();
        let since = if whole { Generation::default() } else { Generation(generation.0.saturating_sub(1)) };
        let since = (since, self.pictures());
        let functions = names.workloads();
        let function = |id: FunctionId| functions.function(id).map(|function| Function::clone(function));
        LedgerRecord {
            generation: generation.0,
            idle_cpu_time: self.idle_cpu_time(),
            busy_cpu_time: self.busy_cpu_time(),
            zones: self.zones().iter().map(written_zone).collect(),
            processes: written_level(self.processes(), since, Some, |line| written_process(&line.extra)),
            commands: written_level(self.commands(), since, Some, |line| CommandRecord {
                processes: line.extra.processes,
                cgroup_path: line.extra.cgroup_name.as_ref().map(written_path),
            }),
            cgroups: written_level(self.cgroups(), since, Some, |line| CgroupRecord {
                path: line.extra.name.as_ref().or_else(|| names.cgroup(line.key)).map(written_path),
            }),
            functions: written_level(self.functions().level(), since, function, |_| ()),
            pending: self.functions().written_pending(),
        }
    }

    /// Empty books go on with what an earlier agent has written. Functions get their numbers in `names`.
    pub fn resume(&mut self, record: LedgerRecord, names: &mut Names) {
        let LedgerRecord { generation, idle_cpu_time, busy_cpu_time, zones, .. } = record;
        let LedgerRecord { processes, commands, cgroups, functions, pending, .. } = record;
        let zones = zones.into_iter().map(resumed_zone).collect();
        let (moment, periods) = self.begin_with(Generation(generation), (idle_cpu_time, busy_cpu_time), zones);
        let mut process = |_: &ConsumerId, process, _| resumed_process(process, names);
        self.processes.resume(resumed_level(processes, &mut process, |_| Process::default()), moment, &periods);
        let mut command = |(_, comm): &(CgroupId, Comm), CommandRecord { processes, cgroup_path }, _| Command {
            text: comm.text().into(),
            processes,
            cgroup_name: cgroup_path.as_deref().map(CgroupName::new),
        };
        let nothing = |key: &(CgroupId, Comm)| Command { text: key.1.text().into(), processes: 0, cgroup_name: None };
        self.commands.resume(resumed_level(commands, &mut command, nothing), moment, &periods);
        let mut cgroup = |_: &CgroupId, cgroup: CgroupRecord, ended| {
            Cgroup::called(cgroup.path.as_deref().filter(|_| ended).map(CgroupName::new))
        };
        self.cgroups.resume(resumed_level(cgroups, &mut cgroup, |_| Cgroup::default()), moment, &periods);
        self.list_commands();
        let functions = numbered(resumed_level(functions, &mut |_, (), _| (), |_| ()), names, &periods);
        let pending = pending.iter().map(|held| (held.cgroup, held.since, resumed_usage(&held.usage))).collect();
        self.functions.resume(functions, pending, moment, &periods);
    }
}

impl FunctionBook {
    fn written_pending(&self) -> Vec<PendingRecord> {
        self.all_pending()
            .map(|(cgroup, since, usage)| PendingRecord { cgroup, since, usage: written_usage(usage) })
            .collect()
    }
}

fn written_level<Key: Copy + Eq + Hash, Extra, Written: Ord, Told>(
    level: &Level<Key, Extra>,
    (since, pictures): (Generation, Pictures),
    key: impl Fn(Key) -> Option<Written>,
    extra: impl Fn(&Line<Key, Extra>) -> Told,
) -> LevelRecord<Written, Told> {
    let written = |line: &Line<Key, Extra>| {
        let record = LineRecord { usage: written_usage(&line.usage), ended: line.has_ended(), extra: extra(line) };
        Some((key(line.key)?, record))
    };
    LevelRecord {
        gone: level.gone().iter().filter_map(|gone| key(*gone)).collect(),
        lines: level.changed_lines(since).filter_map(|(_, line)| written(line)).collect(),
        hidden: level.withheld(pictures).filter_map(key).collect(),
        other: written_usage(level.other()),
    }
}

fn written_usage(usage: &Usage) -> UsageRecord {
    let zones = usage.zones().iter().map(|zone| (zone.active, zone.idle)).collect();
    UsageRecord { cpu_time: usage.cpu_time, zones }
}

fn written_zone(book: &ZoneBook) -> ZoneRecord {
    ZoneRecord {
        zone: book.zone.clone(),
        source: book.source.clone(),
        provenance: book.provenance,
        uncertainty: book.uncertainty,
        measured: book.measured,
        active: book.active,
        idle: book.idle,
        idle_shared: book.idle_shared,
        unattributed: book.unattributed,
        until: book.until,
    }
}

fn written_process(process: &Process) -> ProcessRecord {
    let epitaph = process.epitaph.as_deref().map(|ended| EpitaphRecord {
        parent: ended.name.as_ref().map(|name| name.parent).unwrap_or_default(),
        kernel_thread: ended.name.as_ref().is_some_and(|name| name.kernel_thread),
        comm: ended.comm.as_deref().unwrap_or_default().to_owned(),
        exe: ended.exe.as_deref().map(str::to_owned),
        cgroup_path: ended.cgroup_name.as_ref().map(written_path),
    });
    ProcessRecord { cgroup: process.cgroup, comm: process.comm, epitaph }
}

fn written_path(name: &CgroupName) -> String {
    name.path.to_string()
}

fn resumed_level<Key: Ord, Told, Extra>(
    record: LevelRecord<Key, Told>,
    extra: &mut impl FnMut(&Key, Told, bool) -> Extra,
    no_extra: impl Fn(&Key) -> Extra,
) -> Resumed<Key, Extra> {
    let lines = record.lines.into_iter().map(|(key, line)| {
        let extra = extra(&key, line.extra, line.ended);
        (key, extra, resumed_usage(&line.usage), line.ended)
    });
    let hidden = record.hidden.into_iter().map(|key| {
        let extra = no_extra(&key);
        (key, extra)
    });
    Resumed { lines: lines.collect(), hidden: hidden.collect(), other: resumed_usage(&record.other) }
}

/// Functions by their numbers. What those have used that get none is in the line `other`.
fn numbered(level: Resumed<Function, ()>, names: &mut Names, periods: &[Period]) -> Resumed<FunctionId, ()> {
    let mut numbered = Resumed { lines: Vec::new(), hidden: Vec::new(), other: level.other };
    for (function, (), mut usage, ended) in level.lines {
        match names.remember_function(function) {
            Some(id) => numbered.lines.push((id, (), usage, ended)),
            None => numbered.other.take(&mut usage, periods),
        }
    }
    numbered
        .hidden
        .extend(level.hidden.into_iter().filter_map(|(function, ())| Some((names.remember_function(function)?, ()))));
    numbered
}

fn resumed_usage(record: &UsageRecord) -> Usage {
    let zones = record.zones.iter().map(|&(active, idle)| ZoneUse { active, idle, recent: Recent::default() });
    Usage::of(record.cpu_time, zones.collect::<SmallVec<_>>())
}

fn resumed_zone(record: ZoneRecord) -> ZoneBook {
    let mut book = ZoneBook::empty(record.zone, record.source, record.provenance, record.uncertainty);
    book.measured = record.measured;
    book.active = record.active;
    book.idle = record.idle;
    book.idle_shared = record.idle_shared;
    book.unattributed = record.unattributed;
    book.until = record.until;
    book
}

fn resumed_process(record: ProcessRecord, names: &mut Names) -> Process {
    let ProcessRecord { cgroup, comm, epitaph } = record;
    let epitaph = epitaph.map(|ended| {
        let text: Arc<str> = names.shared(&ended.comm);
        let name = ConsumerName {
            comm: comm.unwrap_or_default(),
            comm_text: comm.map_or_else(|| Arc::clone(&text), |comm| names.shared(&comm.text())),
            parent: ended.parent,
            kernel_thread: ended.kernel_thread,
            cgroup,
        };
        Box::new(Epitaph {
            name: Some(name),
            comm: Some(text),
            exe: ended.exe.map(Into::into),
            cgroup,
            cgroup_name: ended.cgroup_path.as_deref().map(CgroupName::new),
        })
    });
    Process { cgroup, comm, epitaph, ..Process::default() }
}
