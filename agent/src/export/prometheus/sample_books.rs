//! Books made by hand, for tests.

use std::sync::Arc;

use crate::activity::{CgroupId, ConsumerId, Pid};
use crate::clock::Timestamp;
use crate::invocation::{Exemplar, FunctionTotals, Histogram, Phase};
use crate::snapshot::{
    CgroupLine, CommandLine, Container, ContainerFacts, CpuFacts, EnergyLine, Function, FunctionId, FunctionLine,
    Generation, InvocationLine, LineState, NodeFacts, OtherLine, Platform, PodFacts, ProcessLine, Snapshot, ZoneLine,
};
use crate::source::{Provenance, SourceId, Zone, ZoneName};
use crate::units::{Microjoules, Nanoseconds, RelativeUncertainty, Watts};

/// No zones, no consumers.
pub(in crate::export) fn empty() -> Snapshot {
    Snapshot {
        generation: Generation(1),
        since: None,
        at: Timestamp(10_000_000_000),
        at_unix: Nanoseconds(1_700_000_010_000_000_000),
        node: Arc::new(NodeFacts { name: "node-1".into(), cpus: Vec::new() }),
        zones: Vec::new(),
        cgroups: Vec::new(),
        other_cgroups: OtherLine::default(),
        commands: Vec::new(),
        other_commands: OtherLine::default(),
        processes: Vec::new(),
        other_processes: OtherLine::default(),
        functions: Vec::new(),
        other_functions: OtherLine::default(),
        pending_functions: OtherLine::default(),
        invocations: Vec::new(),
        idle_cpu_time: Nanoseconds::ZERO,
        busy_cpu_time: Nanoseconds::ZERO,
    }
}

/// A measured package-0 with these energies, in microjoules; `shared` is part of `idle`.
pub(in crate::export) fn zone_line(measured: u64, active: u64, idle: u64, shared: u64) -> ZoneLine {
    ZoneLine {
        zone: Zone { name: ZoneName::Package, socket: Some(0) },
        source: SourceId("rapl-perf".into()),
        provenance: Provenance::Measured,
        uncertainty: RelativeUncertainty(0.02),
        measured: Microjoules(measured),
        active: Microjoules(active),
        idle: Microjoules(idle),
        idle_shared: Microjoules(shared),
        unattributed: Microjoules(measured - active - idle),
        power: Watts(20.5),
        active_power: Watts(12.25),
        idle_power: Watts(8.0),
        until_unix: Nanoseconds::ZERO,
        books_error: 0,
    }
}

pub(in crate::export) fn energy(zone: usize, active: u64, idle: u64, watts: f64) -> EnergyLine {
    EnergyLine { zone, active: Microjoules(active), idle: Microjoules(idle), power: Watts(watts) }
}

pub(super) fn process(pid: u32, start: u64, comm: &str, energy: Vec<EnergyLine>) -> ProcessLine {
    ProcessLine {
        consumer: ConsumerId { cgroup: CgroupId(100), pid: Pid(pid), start: Nanoseconds(start) },
        parent: Pid(1),
        comm: comm.into(),
        exe: format!("/usr/bin/{comm}").into(),
        cgroup_path: "/system.slice/a.service".into(),
        container: None,
        kernel_thread: false,
        state: LineState::Running,
        cpu_time: Nanoseconds(1_500_000_001),
        energy,
    }
}

pub(in crate::export) fn container() -> Arc<Container> {
    Arc::new(Container {
        id: "0123456789abcdef".repeat(4).into(),
        runtime: "containerd",
        pod_uid: Some("11111111-2222-3333-4444-555555555555".into()),
    })
}

/// Every family has a sample here: two sockets, a board meter, an estimated dram, a container with two cgroups, names
/// that need escaping. The consumers and `other` add up to the zones.
pub(in crate::export) fn full() -> Snapshot {
    let hostile = "a\"b\\c\nd{,}= #";
    Snapshot {
        generation: Generation(7),
        node: Arc::new(NodeFacts {
            name: "node-1".into(),
            cpus: (0..2)
                .map(|processor| CpuFacts {
                    processor,
                    vendor: "GenuineIntel".into(),
                    model: "Example CPU @ 2.00GHz".into(),
                    package: processor,
                    core: 0,
                })
                .collect(),
        }),
        zones: vec![
            zone_line(20_500_001, 12_000_000, 8_000_000, 3_000_000),
            ZoneLine {
                zone: Zone { name: ZoneName::Package, socket: Some(1) },
                ..zone_line(10_000_000, 5_345_678, 4_000_000, 1_000_000)
            },
            ZoneLine {
                zone: Zone { name: ZoneName::Dram, socket: None },
                source: SourceId("estimate".into()),
                provenance: Provenance::Estimated,
                uncertainty: RelativeUncertainty(0.5),
                ..zone_line(3_000_000, 1_000_000, 2_000_000, 0)
            },
            ZoneLine {
                zone: Zone { name: ZoneName::Node, socket: None },
                source: SourceId("esp32:192.0.2.10:30000/2".into()),
                provenance: Provenance::Fused,
                ..zone_line(50_000_000, 20_000_000, 30_000_000, 0)
            },
        ],
        cgroups: vec![
            cgroup(
                100,
                "/system.slice/a.service",
                None,
                vec![
                    energy(0, 7_000_000, 2_000_000, 5.0),
                    energy(1, 5_000_000, 1_000_000, 2.5),
                    energy(2, 600_000, 0, 0.25),
                    energy(3, 12_000_000, 0, 9.0),
                ],
            ),
            cgroup(200, "/kubepods/pod1/c1", Some(container()), vec![energy(0, 4_000_000, 1_000_000, 3.0)]),
            CgroupLine {
                state: LineState::Terminated,
                ..cgroup(201, "/kubepods/pod1/c1/inner", Some(container()), vec![energy(0, 500_000, 0, 0.5)])
            },
        ],
        other_cgroups: OtherLine {
            cpu_time: Nanoseconds(5_000_000),
            energy: vec![
                energy(0, 500_000, 0, 0.0),
                energy(1, 345_678, 0, 0.1),
                energy(2, 400_000, 0, 0.0),
                energy(3, 8_000_000, 0, 0.0),
            ],
        },
        commands: vec![command("/system.slice/a.service", 100, hostile, vec![energy(0, 7_000_000, 2_000_000, 5.0)])],
        other_commands: OtherLine { cpu_time: Nanoseconds(1), energy: vec![energy(0, 5_000_000, 1_000_000, 0.0)] },
        processes: vec![
            process(
                4242,
                900,
                "worker",
                vec![
                    energy(0, 6_000_000, 2_000_000, 4.0),
                    energy(1, 5_000_000, 1_000_000, 2.5),
                    energy(2, 600_000, 0, 0.25),
                    energy(3, 12_000_000, 0, 9.0),
                ],
            ),
            ProcessLine {
                state: LineState::Terminated,
                ..process(17, 100, hostile, vec![energy(0, 1_000_000, 0, 1.0)])
            },
            ProcessLine {
                container: Some(container()),
                exe: "".into(),
                ..process(18, 100, "nginx", vec![energy(0, 4_500_000, 1_000_000, 3.5)])
            },
        ],
        functions: vec![function(hostile)],
        invocations: vec![invocations(hostile)],
        other_functions: other_functions(),
        pending_functions: OtherLine { cpu_time: Nanoseconds(100_000_000), energy: vec![energy(0, 500_000, 0, 0.0)] },
        other_processes: OtherLine { cpu_time: Nanoseconds(7), energy: vec![energy(0, 500_000, 0, 0.0)] },
        idle_cpu_time: Nanoseconds(15_000_000_000),
        busy_cpu_time: Nanoseconds(5_000_000_000),
        ..empty()
    }
}

fn other_functions() -> OtherLine {
    OtherLine {
        cpu_time: Nanoseconds(1_900_000_000),
        energy: vec![
            energy(0, 7_500_000, 2_000_000, 0.0),
            energy(1, 5_345_678, 1_000_000, 0.0),
            energy(2, 1_000_000, 0, 0.0),
            energy(3, 20_000_000, 0, 0.0),
        ],
    }
}

fn invocations(id: &str) -> InvocationLine {
    let mut totals = FunctionTotals { counts: [1, 2, 0], cold_starts: 1, ..FunctionTotals::default() };
    totals.phases.add(Phase::Invocation, 0, Microjoules(3_000_001));
    totals.phases.add(Phase::KeepWarm, 0, Microjoules(1_999_999));
    let exemplar = |value| Exemplar { id: id.into(), value, at_unix: Nanoseconds(1_700_000_009_500_000_000) };
    let mut joules = Histogram::default();
    joules.add(3_000_001, exemplar(3.000_001));
    totals.joules.push(joules);
    totals.seconds.add(20_000_000, exemplar(0.02));
    totals.seconds.add(2_000_000_000_000, exemplar(2_000.0));
    InvocationLine { function: function("pay").function, totals }
}

fn function(name: &str) -> FunctionLine {
    FunctionLine {
        id: FunctionId(0),
        function: Arc::new(Function {
            platform: Platform::Knative,
            namespace: "shop".into(),
            name: name.into(),
            revision: "pay-00001".into(),
        }),
        containers: 2,
        cpu_time: Nanoseconds(3_000_000_000),
        energy: vec![energy(0, 4_000_000, 1_000_000, 3.0)],
    }
}

fn cgroup(id: u64, path: &str, container: Option<Arc<Container>>, energy: Vec<EnergyLine>) -> CgroupLine {
    CgroupLine {
        id: CgroupId(id),
        path: path.into(),
        container_facts: container
            .is_some()
            .then(|| Arc::new(ContainerFacts { name: "main".into(), ..ContainerFacts::default() })),
        pod: container
            .is_some()
            .then(|| Arc::new(PodFacts { name: "pay-1".into(), namespace: "shop".into(), ..PodFacts::default() })),
        container,
        state: LineState::Running,
        cpu_time: Nanoseconds(2_000_000_000),
        energy,
    }
}

fn command(path: &str, cgroup: u64, comm: &str, energy: Vec<EnergyLine>) -> CommandLine {
    CommandLine {
        cgroup: CgroupId(cgroup),
        cgroup_path: path.into(),
        comm: comm.into(),
        cpu_time: Nanoseconds(1_000_000_000),
        processes: 3,
        energy,
    }
}

/// A large node: this many processes, each with energy in four zones.
pub(super) fn crowded(processes: u32) -> Snapshot {
    let books = full();
    let zones = [
        zone_line(1_000, 1_000, 0, 0),
        ZoneLine { zone: Zone { name: ZoneName::Core, socket: Some(0) }, ..zone_line(1_000, 1_000, 0, 0) },
        ZoneLine { zone: Zone { name: ZoneName::Dram, socket: Some(0) }, ..zone_line(1_000, 1_000, 0, 0) },
        ZoneLine { zone: Zone { name: ZoneName::Psys, socket: None }, ..zone_line(1_000, 1_000, 0, 0) },
    ];
    let line = |pid: u32| {
        let used = |zone| energy(zone, 1_234_567_890 + u64::from(pid), 0, 0.123_456 * f64::from(pid));
        ProcessLine { container: Some(container()), ..process(pid, 1, "worker-process", (0..4).map(used).collect()) }
    };
    Snapshot { zones: zones.into(), processes: (1..=processes).map(line).collect(), cgroups: Vec::new(), ..books }
}
