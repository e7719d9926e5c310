//! A small ledger: processes in cgroups, of which some are containers, with two zones.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch;

use crate::activity::{CgroupId, ConsumerId, Pid};
use crate::clock::Timestamp;
use crate::snapshot::{
    CgroupLine, CommandLine, Container, CpuFacts, EnergyLine, Generation, LineState, NodeFacts, OtherLine, ProcessLine,
    Request, Snapshot, SnapshotHandle, ZoneLine,
};
use crate::source::{Provenance, SourceId, Zone, ZoneName};
use crate::units::{Microjoules, Nanoseconds, RelativeUncertainty, Watts};

pub(super) const WINDOW: Duration = Duration::from_millis(100);

/// One process of the made-up machine.
#[derive(Clone, Debug)]
struct Member {
    comm: String,
    path: String,
    cgroup: CgroupId,
    container: Option<Arc<Container>>,
    used: u64,
    state: LineState,
    changed: Generation,
}

#[derive(Debug, Default)]
struct State {
    generation: u64,
    members: BTreeMap<u32, Member>,
    other: u64,
    zones: usize,
}

/// The books. Every unit of use is 2 µJ of `package-0`, 1 µJ of every other zone, and 1 µs of CPU time.
#[derive(Clone, Debug)]
pub(super) struct Books {
    state: Arc<Mutex<State>>,
    closed: watch::Sender<Generation>,
}

impl Books {
    pub(super) fn new() -> Self {
        let state = State { zones: 2, ..State::default() };
        Self { state: Arc::new(Mutex::new(state)), closed: watch::Sender::new(Generation(0)) }
    }

    pub(super) fn handle(&self) -> SnapshotHandle {
        let books = self.clone();
        SnapshotHandle::new(self.closed.subscribe(), move |request: Request| {
            // An exporter that has gone away meanwhile is no concern of the books.
            let _ = request.reply.send(Arc::new(books.snapshot(request.since)));
            Ok(())
        })
    }

    /// Adds a process; a path of the form `/…/ID.scope` is the container `ID`.
    pub(super) fn start(&self, pid: u32, comm: &str, path: &str) {
        let mut state = self.state.lock().expect("not poisoned");
        let container = path
            .strip_suffix(".scope")
            .and_then(|path| path.rsplit('/').next())
            .map(|id| Arc::new(Container { id: id.into(), runtime: "containerd", pod_uid: None }));
        let known = state.members.values().find(|member| member.path == path).map(|member| member.cgroup);
        let cgroup = known.unwrap_or(CgroupId(1000 + u64::from(pid)));
        let changed = Generation(state.generation + 1);
        let (comm, path) = (comm.to_owned(), path.to_owned());
        let state_now = LineState::Running;
        state.members.insert(pid, Member { comm, path, cgroup, container, used: 0, state: state_now, changed });
    }

    /// Closes a window in which these processes used this much.
    pub(super) fn close_window(&self, used: &[(u32, u64)]) -> Generation {
        self.close_window_with(|state| {
            for &(pid, amount) in used {
                let member = state.members.get_mut(&pid).expect("it was started");
                member.used += amount;
                member.changed = Generation(state.generation);
            }
        })
    }

    /// Closes a window in which this process ended.
    pub(super) fn end(&self, pid: u32) -> Generation {
        self.close_window_with(|state| {
            let member = state.members.get_mut(&pid).expect("it was started");
            member.state = LineState::Terminated;
            member.changed = Generation(state.generation);
        })
    }

    /// Closes a window after which this process has no line of its own.
    pub(super) fn fold(&self, pid: u32) -> Generation {
        self.close_window_with(|state| {
            state.other += state.members.remove(&pid).expect("it was started").used;
        })
    }

    /// Closes a window after which there is a zone more, before all others.
    pub(super) fn add_zone(&self) -> Generation {
        self.close_window_with(|state| state.zones += 1)
    }

    fn close_window_with(&self, change: impl FnOnce(&mut State)) -> Generation {
        let mut state = self.state.lock().expect("not poisoned");
        state.generation += 1;
        change(&mut state);
        let generation = Generation(state.generation);
        drop(state);
        self.closed.send_replace(generation);
        generation
    }

    pub(super) fn snapshot(&self, since: Option<Generation>) -> Snapshot {
        let state = self.state.lock().expect("not poisoned");
        let shown = |member: &&Member| since.is_none_or(|since| member.changed > since);
        let total: u64 = state.members.values().map(|member| member.used).sum::<u64>() + state.other;
        let at = Nanoseconds::from(WINDOW).0 * state.generation;
        let members: Vec<(&u32, &Member)> = state.members.iter().collect();
        let mut groups: BTreeMap<CgroupId, Vec<&Member>> = BTreeMap::new();
        let mut names: BTreeMap<(CgroupId, &str), Vec<&Member>> = BTreeMap::new();
        for (_, member) in &members {
            groups.entry(member.cgroup).or_default().push(member);
            names.entry((member.cgroup, &member.comm)).or_default().push(member);
        }
        let energy = |used: u64| energy(used, state.zones);
        let other = OtherLine { cpu_time: Nanoseconds(state.other * 1000), energy: energy(state.other) };
        let used = |members: &[&Member]| members.iter().map(|member| member.used).sum::<u64>();
        Snapshot {
            generation: Generation(state.generation),
            since,
            at: Timestamp(at),
            at_unix: Nanoseconds(1_700_000_000 * Nanoseconds::SECOND.0 + at),
            node: Arc::new(NodeFacts { name: "made-up".into(), cpus: vec![CpuFacts::default(); 2] }),
            zones: (0..state.zones).map(|index| zone(index, total, state.zones)).collect(),
            cgroups: groups
                .iter()
                .filter(|(_, members)| members.iter().any(&shown))
                .map(|(&id, members)| CgroupLine {
                    id,
                    path: members[0].path.as_str().into(),
                    container: members[0].container.clone(),
                    container_facts: None,
                    pod: None,
                    state: members[0].state,
                    cpu_time: Nanoseconds(used(members) * 1000),
                    energy: energy(used(members)),
                })
                .collect(),
            other_cgroups: other.clone(),
            commands: names
                .iter()
                .filter(|(_, members)| members.iter().any(&shown))
                .map(|(&(cgroup, comm), members)| CommandLine {
                    cgroup,
                    cgroup_path: members[0].path.as_str().into(),
                    comm: comm.into(),
                    cpu_time: Nanoseconds(used(members) * 1000),
                    processes: members.len() as u64,
                    energy: energy(used(members)),
                })
                .collect(),
            other_commands: other.clone(),
            processes: members
                .iter()
                .filter(|(_, member)| shown(member))
                .map(|(pid, member)| ProcessLine {
                    consumer: ConsumerId { cgroup: member.cgroup, pid: Pid(**pid), start: Nanoseconds(7) },
                    parent: Pid(1),
                    comm: member.comm.as_str().into(),
                    exe: "/bin/made-up".into(),
                    cgroup_path: member.path.as_str().into(),
                    container: member.container.clone(),
                    kernel_thread: false,
                    state: member.state,
                    cpu_time: Nanoseconds(member.used * 1000),
                    energy: energy(member.used),
                })
                .collect(),
            other_processes: other,
            functions: Vec::new(),
            other_functions: OtherLine::default(),
            pending_functions: OtherLine::default(),
            invocations: Vec::new(),
            idle_cpu_time: Nanoseconds(at),
            busy_cpu_time: Nanoseconds(total * 1000),
        }
    }
}

/// The zone added last comes first, so that every other changes its index.
fn energy(used: u64, zones: usize) -> Vec<EnergyLine> {
    (0..zones)
        .map(|zone| EnergyLine {
            zone,
            active: Microjoules(used * factor(zone, zones)),
            idle: Microjoules(used),
            power: Watts(1.5),
        })
        .collect()
}

fn factor(zone: usize, zones: usize) -> u64 {
    if zone + 2 == zones { 2 } else { 1 }
}

fn zone(index: usize, total: u64, zones: usize) -> ZoneLine {
    let names = [ZoneName::Psys, ZoneName::Package, ZoneName::Dram];
    let active = Microjoules(total * factor(index, zones));
    ZoneLine {
        zone: Zone { name: names[names.len() - zones + index].clone(), socket: Some(0) },
        source: SourceId("made-up".into()),
        provenance: Provenance::Measured,
        uncertainty: RelativeUncertainty(0.01),
        measured: Microjoules(active.0 + total),
        active,
        idle: Microjoules(total),
        idle_shared: Microjoules(total),
        unattributed: Microjoules::ZERO,
        power: Watts(3.0),
        active_power: Watts(2.0),
        idle_power: Watts(1.0),
        until_unix: Nanoseconds::ZERO,
        books_error: 0,
    }
}
