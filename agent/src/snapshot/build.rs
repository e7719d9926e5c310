//! Makes a picture of the books, joined with the names known by now.

use std::hash::Hash;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::activity::{CgroupId, Comm, ConsumerId, Pid};
use crate::clock::WallAnchor;
use crate::identity::{CgroupName, Container, FunctionId, Names, NodeFacts};
use crate::invocation::{FunctionTotals, InvocationBook};
use crate::ledger::{Cgroup, Command, Generation, Ledger, Level, Line, Period, Process, Usage, ZoneBook};
use crate::units::Microjoules;

use super::{
    CgroupLine, CommandLine, EnergyLine, FunctionLine, InvocationLine, LineState, OtherLine, ProcessLine, Snapshot,
    ZoneLine,
};

/// What a picture says beside the books.
#[derive(Clone, Debug)]
pub struct Context {
    /// The machine.
    pub node: Arc<NodeFacts>,
    /// How monotonic time becomes wall time.
    pub anchor: WallAnchor,
}

/// The books at the end of the last closed window: whole, or only the lines that have changed after window `since` (the
/// zones and the `other` lines are always there). The ledger notes that it was asked, since ended lines stay until they
/// were in a whole picture.
///
/// A picture of changes does not say which lines have gone into `other`; ask for a whole one from time to time.
pub fn build(
    ledger: &mut Ledger,
    names: &Names,
    invocations: &InvocationBook,
    context: &Context,
    since: Option<Generation>,
) -> Snapshot {
    let view = View::new(ledger, names, context.anchor, since);
    let containers = if since.is_none() { ledger.functions().containers() } else { FxHashMap::default() };
    let function = |view: &View<'_>, line: &Line<FunctionId, ()>| view.function(line, &containers);
    let snapshot = Snapshot {
        generation: ledger.generation(),
        since,
        at: ledger.at(),
        at_unix: context.anchor.unix(ledger.at()),
        node: context.node.clone(),
        zones: view.zones(),
        cgroups: view.lines(ledger.cgroups(), View::cgroup),
        other_cgroups: view.other(ledger.cgroups()),
        commands: view.lines(ledger.commands(), View::command),
        other_commands: view.other(ledger.commands()),
        processes: view.lines(ledger.processes(), View::process),
        other_processes: view.other(ledger.processes()),
        functions: view.lines(ledger.functions().level(), function).into_iter().flatten().collect(),
        other_functions: view.other(ledger.functions().level()),
        pending_functions: view.used_by_others(&view.pending),
        invocations: if since.is_none() { view.invocations(invocations) } else { Vec::new() },
        idle_cpu_time: ledger.idle_cpu_time(),
        busy_cpu_time: ledger.busy_cpu_time(),
    };
    ledger.note_picture(since.is_none());
    snapshot
}

struct View<'books> {
    ledger: &'books Ledger,
    names: &'books Names,
    anchor: WallAnchor,
    /// What is told; everything where there is none.
    changes: Option<Changes>,
    /// For a whole picture: what each level's lines and `other` add up to, by zone.
    level_sums: Vec<Vec<Microjoules>>,
    /// What waits for its function to be told.
    pending: Usage,
    unknown: Arc<str>,
}

/// What has changed since a window.
struct Changes {
    since: Generation,
    /// Lines that have not changed after this window cannot read differently.
    settled_before: Generation,
    /// Each zone's power period at that window.
    periods: Vec<Period>,
}

impl Changes {
    fn new(zones: &[ZoneBook], since: Generation) -> Self {
        let settled = zones.iter().map(|book| book.settled_before(since)).min();
        Self {
            since,
            settled_before: settled.map_or(since, |settled| settled.min(since)),
            periods: zones.iter().map(|book| book.period_at(since)).collect(),
        }
    }
}

impl<'books> View<'books> {
    fn new(ledger: &'books Ledger, names: &'books Names, anchor: WallAnchor, since: Option<Generation>) -> Self {
        let changes = since.map(|since| Changes::new(ledger.zones(), since));
        let zones = ledger.zones().len();
        let pending = ledger.pending_functions();
        let level_sums = if since.is_some() {
            Vec::new()
        } else {
            let mut functions = sums(ledger.functions().level(), zones);
            add_to(&mut functions, &pending);
            vec![
                sums(ledger.processes(), zones),
                sums(ledger.commands(), zones),
                sums(ledger.cgroups(), zones),
                functions,
            ]
        };
        Self { ledger, names, anchor, changes, level_sums, pending, unknown: "".into() }
    }

    fn zones(&self) -> Vec<ZoneLine> {
        (0..).zip(self.ledger.zones()).map(|(index, book)| self.zone(index, book)).collect()
    }

    fn zone(&self, index: usize, book: &ZoneBook) -> ZoneLine {
        ZoneLine {
            zone: book.zone.clone(),
            source: book.source.clone(),
            provenance: book.provenance,
            uncertainty: book.uncertainty,
            measured: book.measured,
            active: book.active,
            idle: book.idle,
            idle_shared: book.idle_shared,
            unattributed: book.unattributed,
            power: book.power(book.recent),
            active_power: book.power(book.recent_active),
            idle_power: book.power(book.recent_idle),
            until_unix: self.anchor.unix(book.until),
            books_error: self.books_error(index, book),
        }
    }

    /// For a whole picture the lines are added up anew.
    fn books_error(&self, zone: usize, book: &ZoneBook) -> i64 {
        let charged = i128::from(book.charged().0);
        let short = self.level_sums.iter().map(|sums| charged - i128::from(sums[zone].0));
        let error = short.chain([self.ledger.books_error(zone)]).max_by_key(|error| error.abs()).unwrap_or_default();
        i64::try_from(error).unwrap_or(if error < 0 { i64::MIN } else { i64::MAX })
    }

    fn lines<Key: Copy + Eq + Hash, Extra, Shown>(
        &self,
        level: &Level<Key, Extra>,
        show: impl Fn(&Self, &Line<Key, Extra>) -> Shown,
    ) -> Vec<Shown> {
        let Some(changes) = &self.changes else {
            let mut shown = Vec::with_capacity(level.visible_count());
            shown.extend(level.visible_lines().map(|line| show(self, line)));
            return shown;
        };
        let touched = level.changed_lines(changes.settled_before);
        let told =
            touched.filter(|(changed, line)| *changed > changes.since || self.power_changed(&line.usage, changes));
        told.map(|(_, line)| show(self, line)).collect()
    }

    /// Power changes without any new charge: it falls to nothing when its time is over.
    fn power_changed(&self, usage: &Usage, changes: &Changes) -> bool {
        let zones = usage.zones().iter().zip(self.ledger.zones()).zip(&changes.periods);
        zones.into_iter().any(|((used, book), then)| book.power_changed(used.recent, *then))
    }

    fn cgroup(&self, line: &Line<CgroupId, Cgroup>) -> CgroupLine {
        let name = line.extra.name.as_ref().or_else(|| self.names.cgroup(line.key));
        let container = container(name);
        let workloads = self.names.workloads();
        CgroupLine {
            id: line.key,
            path: path(name, line.key),
            container_facts: container.as_deref().and_then(|container| workloads.facts_of(container)).cloned(),
            pod: container.as_deref().and_then(|container| workloads.pod_of(container)).cloned(),
            container,
            state: state(line.has_ended()),
            cpu_time: line.usage.cpu_time,
            energy: self.energy(&line.usage),
        }
    }

    fn command(&self, line: &Line<(CgroupId, Comm), Command>) -> CommandLine {
        let cgroup = line.key.0;
        let name = line.extra.cgroup_name.as_ref().or_else(|| self.names.cgroup(cgroup));
        CommandLine {
            cgroup,
            cgroup_path: path(name, cgroup),
            comm: line.extra.text.clone(),
            cpu_time: line.usage.cpu_time,
            processes: line.extra.processes,
            energy: self.energy(&line.usage),
        }
    }

    fn process(&self, line: &Line<ConsumerId, Process>) -> ProcessLine {
        let consumer = line.key;
        let epitaph = line.extra.epitaph.as_deref();
        let name = epitaph.and_then(|ended| ended.name.as_ref()).or_else(|| self.names.consumer(&consumer));
        let comm = epitaph.and_then(|ended| ended.comm.as_ref()).or_else(|| self.names.process_comm(&consumer));
        let exe = epitaph.and_then(|ended| ended.exe.as_ref()).or_else(|| self.names.exe(&consumer));
        let cgroup = epitaph.map_or_else(|| self.names.cgroup_of(&consumer), |ended| ended.cgroup);
        let cgroup_name = epitaph.and_then(|ended| ended.cgroup_name.as_ref()).or_else(|| self.names.cgroup(cgroup));
        ProcessLine {
            consumer,
            parent: name.map_or(Pid(0), |name| name.parent),
            comm: comm.unwrap_or(&self.unknown).clone(),
            exe: exe.unwrap_or(&self.unknown).clone(),
            cgroup_path: path(cgroup_name, cgroup),
            container: container(cgroup_name),
            kernel_thread: name.is_some_and(|name| name.kernel_thread),
            state: state(line.has_ended()),
            cpu_time: line.usage.cpu_time,
            energy: self.energy(&line.usage),
        }
    }

    fn function(&self, line: &Line<FunctionId, ()>, containers: &FxHashMap<FunctionId, usize>) -> Option<FunctionLine> {
        Some(FunctionLine {
            id: line.key,
            function: Arc::clone(self.names.workloads().function(line.key)?),
            containers: containers.get(&line.key).copied().unwrap_or_default(),
            cpu_time: line.usage.cpu_time,
            energy: self.energy(&line.usage),
        })
    }

    fn invocations(&self, book: &InvocationBook) -> Vec<InvocationLine> {
        let line = |(function, totals): (FunctionId, &FunctionTotals)| {
            let function = Arc::clone(self.names.workloads().function(function)?);
            Some(InvocationLine { function, totals: totals.clone() })
        };
        book.totals().filter_map(line).collect()
    }

    fn other<Key: Copy + Eq + Hash, Extra>(&self, level: &Level<Key, Extra>) -> OtherLine {
        self.used_by_others(level.other())
    }

    fn used_by_others(&self, used: &Usage) -> OtherLine {
        OtherLine { cpu_time: used.cpu_time, energy: self.energy(used) }
    }

    /// Every zone, so that a line has the same shape from its beginning.
    fn energy(&self, usage: &Usage) -> Vec<EnergyLine> {
        let energy = |(zone, book): (usize, &ZoneBook)| {
            let used = usage.zone(zone);
            EnergyLine { zone, active: used.active, idle: used.idle, power: book.power(used.recent) }
        };
        (0..).zip(self.ledger.zones()).map(energy).collect()
    }
}

fn sums<Key: Copy + Eq + Hash, Extra>(level: &Level<Key, Extra>, zones: usize) -> Vec<Microjoules> {
    let mut sums = vec![Microjoules::ZERO; zones];
    for usage in level.visible_lines().map(|line| &line.usage).chain([level.other()]) {
        add_to(&mut sums, usage);
    }
    sums
}

fn add_to(sums: &mut [Microjoules], usage: &Usage) {
    for (sum, used) in sums.iter_mut().zip(usage.zones()) {
        *sum += used.active + used.idle;
    }
}

fn path(name: Option<&CgroupName>, id: CgroupId) -> Arc<str> {
    name.map_or_else(|| format!("?{}", id.0).into(), |name| name.path.clone())
}

fn container(name: Option<&CgroupName>) -> Option<Arc<Container>> {
    name.and_then(|name| name.container.clone())
}

fn state(has_ended: bool) -> LineState {
    if has_ended { LineState::Terminated } else { LineState::Running }
}
