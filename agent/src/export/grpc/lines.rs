//! A snapshot's types in the words of `prony.energy.v1`.

use std::sync::Arc;

use prony_proto::energy::v1 as pb;
use prost_types::Timestamp;

use crate::activity::{CgroupId, ConsumerId};
use crate::export::containers::{ContainerLine, Containers};
use crate::snapshot::{
    CgroupLine, CommandLine, Container, ContainerFacts, EnergyLine, FunctionId, FunctionLine, LineState, NodeFacts,
    PodFacts, ProcessLine, Snapshot, ZoneLine,
};
use crate::source::Provenance;
use crate::units::Nanoseconds;

use super::selection::Selection;

/// What names a line for as long as it lives.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum LineKey {
    Process(ConsumerId),
    Command(CgroupId, Arc<str>),
    Cgroup(CgroupId),
    Container(Arc<str>),
    Function(FunctionId),
}

/// The processes of a picture that are wanted.
pub(super) fn processes(snapshot: &Snapshot, wanted: &Selection) -> Vec<(LineKey, pb::Line)> {
    let is_wanted = |line: &&ProcessLine| {
        wanted.wants_pid(line.consumer.pid)
            && wanted.wants_command(&line.comm)
            && wanted.wants_place(&line.cgroup_path, line.container.as_deref())
    };
    snapshot.processes.iter().filter(is_wanted).map(process).collect()
}

fn process(line: &ProcessLine) -> (LineKey, pb::Line) {
    let subject = pb::line::Subject::Process(pb::Process {
        pid: line.consumer.pid.0,
        start_nanoseconds: line.consumer.start.0,
        cgroup_id: line.consumer.cgroup.0,
        cgroup: line.cgroup_path.to_string(),
        parent: line.parent.0,
        command: line.comm.to_string(),
        executable: line.exe.to_string(),
        kernel_thread: line.kernel_thread,
        container: line.container.as_deref().map(|known| container(known, None, None)),
    });
    (LineKey::Process(line.consumer), whole_line(subject, line.state, totals(line.cpu_time, &line.energy)))
}

/// The command names of a picture that are wanted. Their cgroups' containers are taken from the same picture: a command
/// does not change without its cgroup.
pub(super) fn commands(snapshot: &Snapshot, wanted: &Selection) -> Vec<(LineKey, pb::Line)> {
    let containers: rustc_hash::FxHashMap<CgroupId, &Container> = snapshot
        .cgroups
        .iter()
        .filter_map(|line| line.container.as_deref().map(|container| (line.id, container)))
        .collect();
    let line = |line: &CommandLine| {
        let within = containers.get(&line.cgroup).copied();
        if !wanted.wants_command(&line.comm) || !wanted.wants_place(&line.cgroup_path, within) {
            return None;
        }
        let subject = pb::line::Subject::Command(pb::Command {
            cgroup_id: line.cgroup.0,
            cgroup: line.cgroup_path.to_string(),
            name: line.comm.to_string(),
            processes: line.processes,
            container: within.map(|within| container(within, None, None)),
        });
        let key = LineKey::Command(line.cgroup, Arc::clone(&line.comm));
        Some((key, whole_line(subject, LineState::Running, totals(line.cpu_time, &line.energy))))
    };
    snapshot.commands.iter().filter_map(line).collect()
}

/// The cgroups of a picture that are wanted.
pub(super) fn cgroups(snapshot: &Snapshot, wanted: &Selection) -> Vec<(LineKey, pb::Line)> {
    let is_wanted = |line: &&CgroupLine| wanted.wants_place(&line.path, line.container.as_deref());
    snapshot.cgroups.iter().filter(is_wanted).map(cgroup).collect()
}

fn cgroup(line: &CgroupLine) -> (LineKey, pb::Line) {
    let subject = pb::line::Subject::Cgroup(pb::Cgroup {
        id: line.id.0,
        path: line.path.to_string(),
        container: line
            .container
            .as_deref()
            .map(|known| container(known, line.container_facts.as_deref(), line.pod.as_deref())),
    });
    (LineKey::Cgroup(line.id), whole_line(subject, line.state, totals(line.cpu_time, &line.energy)))
}

/// The containers of a picture that are wanted, as the sums of their cgroups.
pub(super) fn containers(snapshot: &Snapshot, wanted: &Selection, known: &mut Containers) -> Vec<(LineKey, pb::Line)> {
    let lines = known.update(snapshot, |line, within| wanted.wants_place(&line.path, Some(within)));
    lines.iter().map(container_line).collect()
}

fn container_line(line: &ContainerLine) -> (LineKey, pb::Line) {
    let subject = pb::line::Subject::Container(container(&line.container, line.facts.as_deref(), line.pod.as_deref()));
    let key = LineKey::Container(Arc::clone(&line.container.id));
    (key, whole_line(subject, line.state, totals(line.cpu_time, &line.energy)))
}

/// The functions of a picture that are wanted.
pub(super) fn functions(snapshot: &Snapshot, wanted: &Selection) -> Vec<(LineKey, pb::Line)> {
    snapshot.functions.iter().filter(|line| wanted.wants_function(&line.function)).map(function).collect()
}

fn function(line: &FunctionLine) -> (LineKey, pb::Line) {
    let subject = pb::line::Subject::Function(pb::Function {
        platform: line.function.platform.label().to_owned(),
        namespace: line.function.namespace.to_string(),
        name: line.function.name.to_string(),
        revision: line.function.revision.to_string(),
    });
    let totals = totals(line.cpu_time, &line.energy);
    (LineKey::Function(line.id), whole_line(subject, LineState::Running, totals))
}

/// A container as it is named on the wire, with what was told of it and of its pod.
fn container(container: &Container, facts: Option<&ContainerFacts>, pod: Option<&PodFacts>) -> pb::Container {
    pb::Container {
        id: container.id.to_string(),
        runtime: container.runtime.to_owned(),
        pod_uid: container.pod_uid.as_deref().unwrap_or_default().to_owned(),
        name: facts.map_or_else(String::new, |facts| facts.name.to_string()),
        pod_name: pod.map_or_else(String::new, |pod| pod.name.to_string()),
        pod_namespace: pod.map_or_else(String::new, |pod| pod.namespace.to_string()),
    }
}

/// A line with all its fields.
fn whole_line(subject: pb::line::Subject, state: LineState, totals: pb::Totals) -> pb::Line {
    let state = match state {
        LineState::Running => pb::LineState::Running,
        LineState::Terminated => pb::LineState::Ended,
    };
    pb::Line { subject: Some(subject), state: state as i32, totals: Some(totals) }
}

/// Totals as they are written on the wire.
fn totals(cpu_time: Nanoseconds, energy: &[EnergyLine]) -> pb::Totals {
    let zone = |line: &EnergyLine| pb::ZoneEnergy {
        zone: line.zone as u32,
        active_microjoules: line.active.0,
        idle_microjoules: line.idle.0,
        power_watts: line.power.0,
    };
    pb::Totals { cpu_nanoseconds: cpu_time.0, energy: energy.iter().map(zone).collect() }
}

/// A zone.
pub(super) fn zone(line: &ZoneLine) -> pb::Zone {
    let provenance = match line.provenance {
        Provenance::Measured => pb::Provenance::Measured,
        Provenance::Fused => pb::Provenance::Fused,
        Provenance::Estimated => pb::Provenance::Estimated,
    };
    pb::Zone {
        name: line.zone.name.to_string(),
        socket: line.zone.socket,
        source: line.source.to_string(),
        provenance: provenance as i32,
        uncertainty: line.uncertainty.0,
        measured_microjoules: line.measured.0,
        active_microjoules: line.active.0,
        idle_microjoules: line.idle.0,
        idle_shared_microjoules: line.idle_shared.0,
        unattributed_microjoules: line.unattributed.0,
        power_watts: line.power.0,
        active_power_watts: line.active_power.0,
        idle_power_watts: line.idle_power.0,
        until: Some(unix(line.until_unix)),
    }
}

/// The machine.
pub(super) fn node(facts: &NodeFacts) -> pb::Node {
    pb::Node { name: facts.name.clone(), cpus: facts.cpus.len() as u32 }
}

/// A time since the Unix epoch.
pub(super) fn unix(since_epoch: Nanoseconds) -> Timestamp {
    let second = Nanoseconds::SECOND.0;
    Timestamp { seconds: (since_epoch.0 / second).cast_signed(), nanos: (since_epoch.0 % second) as i32 }
}
