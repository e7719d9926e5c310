//! Books for tests: windows, energy and events in the order that the agent hands them on, and checks of every picture.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Context, EnergyLine, Generation, OtherLine, Snapshot, build};
use crate::activity::{ActivityWindow, CgroupId, Comm, ConsumerId, Lifecycle, Pid, ShardId, Slice, Topology};
use crate::attribute::{Attribution, Share};
use crate::clock::{Timestamp, WallAnchor};
use crate::config::LedgerConfig;
use crate::fuse::Doubt;
use crate::identity::{FunctionId, Names, NodeFacts};
use crate::invocation::{BookOptions, InvocationBook};
use crate::ledger::{Ledger, LedgerRecord};
use crate::source::{Provenance, SourceId, Zone, ZoneName};
use crate::units::{Microjoules, Nanoseconds, RelativeUncertainty};

pub(crate) struct TestBooks {
    pub(crate) ledger: Ledger,
    pub(crate) names: Names,
    pub(crate) now: Timestamp,
    written: Option<LedgerRecord>,
    invocations: InvocationBook,
    context: Context,
    topology: Arc<Topology>,
}

pub(crate) fn consumer(cgroup: u64, pid: u32) -> ConsumerId {
    ConsumerId { cgroup: CgroupId(cgroup), pid: Pid(pid), start: Nanoseconds(u64::from(pid)) }
}

pub(crate) fn named(consumer: ConsumerId, comm: &str) -> Lifecycle {
    Lifecycle::Named { consumer, parent: Pid(1), comm: Comm::new(comm), kernel_thread: false }
}

pub(crate) fn made(cgroup: u64, path: &str) -> Lifecycle {
    Lifecycle::CgroupMade { at: Timestamp(0), cgroup: CgroupId(cgroup), path: path.into() }
}

pub(crate) fn removed(cgroup: u64) -> Lifecycle {
    Lifecycle::CgroupRemoved { at: Timestamp(0), cgroup: CgroupId(cgroup) }
}

pub(crate) fn package(socket: u32) -> Zone {
    Zone { name: ZoneName::Package, socket: Some(socket) }
}

pub(crate) fn share(consumer: ConsumerId, active: u64, idle: u64) -> Share {
    Share { consumer, active: Microjoules(active), idle: Microjoules(idle), doubt: Doubt::default() }
}

/// Energy that is shared out as told, with one microjoule idle and two unattributed.
pub(crate) fn attribution(zone: Zone, from: Timestamp, to: Timestamp, shares: Vec<Share>) -> Attribution {
    let charged: u64 = shares.iter().map(|share| share.active.0 + share.idle.0).sum();
    Attribution {
        zone,
        source: SourceId("test".into()),
        from,
        to,
        measured: Microjoules(charged + 3),
        idle: Microjoules(1),
        unattributed: Microjoules(2),
        shares,
        uncertainty: RelativeUncertainty(0.01),
        lasting_uncertainty: RelativeUncertainty(0.01),
        provenance: Provenance::Measured,
    }
}

impl TestBooks {
    pub(crate) fn new(config: &LedgerConfig) -> Self {
        Self {
            ledger: Ledger::new(config),
            names: Names::default(),
            now: Timestamp(1_000_000_000_000),
            written: None,
            invocations: InvocationBook::new(BookOptions::default()),
            context: Context { node: Arc::new(NodeFacts::default()), anchor: WallAnchor::take() },
            topology: Arc::new(Topology::default()),
        }
    }

    /// One window of the agent: who ran for how long, what happened, and the energy per zone that became known.
    pub(crate) fn window(
        &mut self,
        length: Nanoseconds,
        ran: &[(ConsumerId, u64)],
        events: &[Lifecycle],
        energy: &[Attribution],
    ) {
        let (from, to) = (self.now, self.now + length);
        self.now = to;
        self.names.forget();
        for event in events {
            self.names.apply(event);
        }
        let slice = |&(consumer, cpu_time)| Slice { consumer, shard: ShardId(0), cpu_time: Nanoseconds(cpu_time) };
        let slices = ran.iter().map(slice).collect();
        let window = ActivityWindow {
            from,
            to,
            slices,
            idle: vec![Nanoseconds(1)],
            topology: self.topology.clone(),
            counts: Vec::new(),
            kinds: Arc::default(),
        };
        self.ledger.record(&window, &self.names);
        for attribution in energy {
            self.ledger.charge(attribution, &self.names);
        }
        self.ledger.retire(events, &self.names);
        self.ledger.close_window(to);
        let whole = self.written.is_none();
        let written = self.ledger.written(&self.names, whole);
        self.written.get_or_insert_default().follow(written);
    }

    /// Another agent goes on with what was written down.
    pub(crate) fn restart(&mut self, config: &LedgerConfig) {
        let Some(record) = self.written.take() else { return };
        assert_eq!(record.lines(), self.ledger.written(&self.names, true).lines(), "the changes add up to the whole");
        assert!(record.adds_up());
        let bytes = postcard::to_allocvec(&record).unwrap();
        self.ledger = Ledger::new(config);
        self.ledger.resume(postcard::from_bytes(&bytes).unwrap(), &mut self.names);
    }

    /// The same with energy of one zone that goes with the window.
    pub(crate) fn charged_window(&mut self, millis: u64, ran: &[(ConsumerId, u64)], events: &[Lifecycle]) {
        let length = Nanoseconds::from_millis(millis);
        let shares = ran.iter().map(|&(consumer, cpu_time)| share(consumer, cpu_time / 100, 0)).collect();
        let energy = attribution(package(0), self.now, self.now + length, shares);
        self.window(length, ran, events, &[energy]);
    }

    /// A whole picture, checked.
    pub(crate) fn picture(&mut self) -> Snapshot {
        let snapshot = build(&mut self.ledger, &self.names, &self.invocations, &self.context, None);
        check_sums(&snapshot);
        snapshot
    }

    pub(crate) fn changes(&mut self, since: Generation) -> Snapshot {
        build(&mut self.ledger, &self.names, &self.invocations, &self.context, Some(since))
    }
}

/// Who a line is of.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum LineKey {
    Process(ConsumerId),
    Command(CgroupId, Arc<str>),
    Cgroup(CgroupId),
    Function(FunctionId),
}

/// A line's counters: CPU time, then active and idle energy by zone.
pub(crate) type Counters = Vec<u64>;

pub(crate) fn counters(cpu_time: Nanoseconds, energy: &[EnergyLine]) -> Counters {
    let energies = energy.iter().flat_map(|line| [line.active.0, line.idle.0]);
    std::iter::once(cpu_time.0).chain(energies).collect()
}

pub(crate) fn lines(snapshot: &Snapshot) -> HashMap<LineKey, Counters> {
    let processes =
        snapshot.processes.iter().map(|line| (LineKey::Process(line.consumer), counters(line.cpu_time, &line.energy)));
    let commands = snapshot
        .commands
        .iter()
        .map(|line| (LineKey::Command(line.cgroup, line.comm.clone()), counters(line.cpu_time, &line.energy)));
    let cgroups = snapshot.cgroups.iter().map(|line| (LineKey::Cgroup(line.id), counters(line.cpu_time, &line.energy)));
    let functions =
        snapshot.functions.iter().map(|line| (LineKey::Function(line.id), counters(line.cpu_time, &line.energy)));
    processes.chain(commands).chain(cgroups).chain(functions).collect()
}

/// At every level the lines and `other` are the zones and the CPU time, to the last unit.
fn check_sums(snapshot: &Snapshot) {
    let whole: Counters = std::iter::once(snapshot.busy_cpu_time.0)
        .chain(snapshot.zones.iter().flat_map(|zone| [zone.active.0, zone.idle_shared.0]))
        .collect();
    let lines = lines(snapshot);
    let level = |wanted: fn(&LineKey) -> bool, other: &OtherLine| {
        let mut sum = counters(other.cpu_time, &other.energy);
        for counters in lines.iter().filter(|(key, _)| wanted(key)).map(|(_, counters)| counters) {
            add(&mut sum, counters);
        }
        sum
    };
    assert_eq!(level(|key| matches!(key, LineKey::Process(_)), &snapshot.other_processes), whole, "processes");
    assert_eq!(level(|key| matches!(key, LineKey::Command(..)), &snapshot.other_commands), whole, "commands");
    assert_eq!(level(|key| matches!(key, LineKey::Cgroup(_)), &snapshot.other_cgroups), whole, "cgroups");
    let mut functions = level(|key| matches!(key, LineKey::Function(_)), &snapshot.other_functions);
    add(&mut functions, &counters(snapshot.pending_functions.cpu_time, &snapshot.pending_functions.energy));
    assert_eq!(functions, whole, "functions");
    for zone in &snapshot.zones {
        assert_eq!(zone.books_error, 0);
        assert_eq!(zone.measured, zone.active + zone.idle + zone.unattributed);
    }
}

fn add(sum: &mut [u64], parts: &[u64]) {
    sum.iter_mut().zip(parts).for_each(|(sum, part)| *sum += part);
}
