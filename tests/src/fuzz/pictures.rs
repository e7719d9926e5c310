//! Books that are asked for, of a small machine.

use std::sync::Arc;
use std::time::Duration;

use prony::activity::{CgroupId, ConsumerId, Pid};
use prony::clock::Timestamp;
use prony::snapshot::{
    CgroupLine, CommandLine, Container, CpuFacts, EnergyLine, Function, FunctionId, FunctionLine, Generation,
    LineState, NodeFacts, OtherLine, Platform, ProcessLine, Request, Snapshot, SnapshotHandle, ZoneLine,
};
use prony::source::{Provenance, SourceId, Zone, ZoneName};
use prony::units::{Microjoules, Nanoseconds, RelativeUncertainty, Watts};
use tokio::sync::watch;

/// One line of each kind, the same in every window.
pub(super) struct Pictures {
    closed: watch::Sender<Generation>,
}

impl Pictures {
    pub(super) const WINDOW: Duration = Duration::from_secs(1);

    pub(super) fn new() -> Self {
        Self { closed: watch::Sender::new(Generation(1)) }
    }

    pub(super) fn handle(&self) -> SnapshotHandle {
        let newest = self.closed.subscribe();
        SnapshotHandle::new(self.closed.subscribe(), move |request: Request| {
            // Who has asked may have gone away meanwhile.
            let _ = request.reply.send(Arc::new(picture(*newest.borrow(), request.since)));
            Ok(())
        })
    }

    /// Closes one window after the other.
    pub(super) async fn close_windows(self) {
        loop {
            self.closed.send_modify(|newest| newest.0 += 1);
            tokio::task::yield_now().await;
        }
    }
}

fn picture(generation: Generation, since: Option<Generation>) -> Snapshot {
    let cgroup = CgroupId(1001);
    let path: Arc<str> = "/kubepods/pod1/0123.scope".into();
    let container = Some(Arc::new(Container { id: "0123".into(), runtime: "containerd", pod_uid: None }));
    let (cpu_time, state) = (Nanoseconds(5_000), LineState::Running);
    let energy = vec![EnergyLine { zone: 0, active: Microjoules(5), idle: Microjoules(1), power: Watts(0.5) }];
    let other = OtherLine { cpu_time: Nanoseconds::ZERO, energy: Vec::new() };
    Snapshot {
        generation,
        since,
        at: Timestamp(generation.0 * Nanoseconds::SECOND.0),
        at_unix: Nanoseconds((1_700_000_000 + generation.0) * Nanoseconds::SECOND.0),
        node: Arc::new(NodeFacts { name: "small".into(), cpus: vec![CpuFacts::default(); 2] }),
        zones: vec![zone()],
        cgroups: vec![CgroupLine {
            id: cgroup,
            path: Arc::clone(&path),
            container: container.clone(),
            container_facts: None,
            pod: None,
            state,
            cpu_time,
            energy: energy.clone(),
        }],
        other_cgroups: other.clone(),
        commands: vec![CommandLine {
            cgroup,
            cgroup_path: Arc::clone(&path),
            comm: "server".into(),
            cpu_time,
            processes: 1,
            energy: energy.clone(),
        }],
        other_commands: other.clone(),
        processes: vec![ProcessLine {
            consumer: ConsumerId { cgroup, pid: Pid(7), start: Nanoseconds(7) },
            parent: Pid(1),
            comm: "server".into(),
            exe: "/bin/server".into(),
            cgroup_path: path,
            container,
            kernel_thread: false,
            state,
            cpu_time,
            energy: energy.clone(),
        }],
        other_processes: other.clone(),
        functions: vec![FunctionLine {
            id: FunctionId(0),
            function: Arc::new(Function {
                platform: Platform::OpenFaas,
                namespace: "fn".into(),
                name: "hello".into(),
                revision: "1".into(),
            }),
            containers: 1,
            cpu_time,
            energy,
        }],
        other_functions: other.clone(),
        pending_functions: other,
        invocations: Vec::new(),
        idle_cpu_time: Nanoseconds(1),
        busy_cpu_time: cpu_time,
    }
}

fn zone() -> ZoneLine {
    ZoneLine {
        zone: Zone { name: ZoneName::Node, socket: None },
        source: SourceId("made-up".into()),
        provenance: Provenance::Measured,
        uncertainty: RelativeUncertainty(0.01),
        measured: Microjoules(6),
        active: Microjoules(5),
        idle: Microjoules(1),
        idle_shared: Microjoules(1),
        unattributed: Microjoules::ZERO,
        power: Watts(3.0),
        active_power: Watts(2.0),
        idle_power: Watts(1.0),
        until_unix: Nanoseconds::ZERO,
        books_error: 0,
    }
}
