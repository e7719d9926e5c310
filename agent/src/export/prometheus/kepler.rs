//! Kepler's families from the books.

use std::borrow::Cow;

use crate::export::containers::ContainerLine;
use crate::snapshot::{LineState, Snapshot};
use crate::units::{Microjoules, Watts};

use super::exposition::{Exposition, Value};
use super::family::Family;
use super::number::Digits;
use super::processes::{Namesakes, Processes};
use super::table;
use super::zones::{Usage, ZoneGroup, ZoneGroups};

/// Kepler's word for a state.
pub(super) const fn state(state: LineState) -> &'static str {
    match state {
        LineState::Running => "running",
        LineState::Terminated => "terminated",
    }
}

/// Writes the families of the node and its zones.
pub(super) fn node(page: &mut Exposition, snapshot: &Snapshot, groups: &ZoneGroups<'_>, usage_ratio: f64) {
    let zones: Vec<NodeZone<'_>> = groups.groups.iter().filter(|group| group.in_kepler).map(NodeZone::of).collect();
    let mut write = |family: &'static Family, value: fn(&NodeZone<'_>) -> Value| {
        let mut out = page.family(family);
        for zone in &zones {
            out.sample(&[zone.zone, &zone.path], value(zone));
        }
    };
    write(&table::KEPLER_NODE_JOULES, |zone| Value::Energy(zone.measured));
    write(&table::KEPLER_NODE_WATTS, |zone| Value::Power(zone.power));
    write(&table::KEPLER_NODE_ACTIVE_JOULES, |zone| Value::Energy(zone.active));
    write(&table::KEPLER_NODE_ACTIVE_WATTS, |zone| Value::Power(zone.active_power));
    write(&table::KEPLER_NODE_IDLE_JOULES, |zone| Value::Energy(zone.measured.saturating_sub(zone.active)));
    write(&table::KEPLER_NODE_IDLE_WATTS, |zone| Value::Power(Watts((zone.power.0 - zone.active_power.0).max(0.0))));

    page.family(&table::KEPLER_NODE_USAGE).sample(&[], Value::Float(usage_ratio));
    let mut out = page.family(&table::KEPLER_NODE_CPU_INFO);
    for cpu in &snapshot.node.cpus {
        let [processor, package, core] = [cpu.processor, cpu.package, cpu.core].map(|id| Digits::of(id.into()));
        let labels = [processor.as_str(), &cpu.vendor, &cpu.model, package.as_str(), core.as_str()];
        out.sample(&labels, Value::Count(1));
    }
}

/// One zone over all sockets, as Kepler splits it: active and idle are the whole.
struct NodeZone<'a> {
    zone: &'a str,
    path: Cow<'a, str>,
    measured: Microjoules,
    active: Microjoules,
    power: Watts,
    active_power: Watts,
}

impl<'a> NodeZone<'a> {
    fn of(group: &'a ZoneGroup<'a>) -> Self {
        let sockets = || group.sockets.iter();
        Self {
            zone: &group.label,
            path: format!("aggregated-{}", group.label).into(),
            measured: sockets().map(|line| line.measured).sum(),
            active: sockets().map(|line| line.active).sum(),
            power: Watts(sockets().map(|line| line.power.0).sum()),
            active_power: Watts(sockets().map(|line| line.active_power.0).sum()),
        }
    }
}

/// Writes the families of processes.
pub(super) fn processes(page: &mut Exposition, processes: &Processes<'_>, groups: &ZoneGroups<'_>) {
    let mut usage = Vec::new();
    for (family, value) in energy_families(&table::KEPLER_PROCESS_JOULES, &table::KEPLER_PROCESS_WATTS) {
        let mut out = page.family(family);
        for namesakes in processes.by_state() {
            groups.largest(namesakes.latest().map(|line| &*line.energy), &mut usage);
            let pid = Digits::of(namesakes.first().consumer.pid.0.into());
            let [pid, comm, exe, kind, container, vm] = process_labels(namesakes, &pid);
            out.fix(&[pid, comm, exe, kind, state(namesakes.first().state), container, vm]);
            for (zone, used) in in_kepler(groups, &usage) {
                out.sample(&[zone], value(used));
            }
        }
    }
    let mut out = page.family(&table::KEPLER_PROCESS_SECONDS);
    for namesakes in processes.by_name() {
        let pid = Digits::of(namesakes.first().consumer.pid.0.into());
        out.sample(&process_labels(namesakes, &pid), Value::Time(namesakes.cpu_time()));
    }
}

fn process_labels<'a>(namesakes: Namesakes<'_, 'a>, pid: &'a Digits) -> [&'a str; 6] {
    let line = namesakes.first();
    let (kind, container) = match &line.container {
        Some(container) => ("container", &*container.id),
        None => ("regular", ""),
    };
    [pid.as_str(), &line.comm, &line.exe, kind, container, ""]
}

/// Writes the families of containers.
pub(super) fn containers(page: &mut Exposition, lines: &[ContainerLine], groups: &ZoneGroups<'_>) {
    let mut sorted: Vec<&ContainerLine> = lines.iter().collect();
    sorted.sort_by_key(|line| &line.container.id);
    let mut usage = Vec::new();
    for (family, value) in energy_families(&table::KEPLER_CONTAINER_JOULES, &table::KEPLER_CONTAINER_WATTS) {
        let mut out = page.family(family);
        for line in &sorted {
            groups.sum([&*line.energy], &mut usage);
            let pod = line.container.pod_uid.as_deref().unwrap_or_default();
            let name = line.facts.as_ref().map_or("", |facts| &facts.name);
            out.fix(&[&line.container.id, name, line.container.runtime, state(line.state), pod]);
            for (zone, used) in in_kepler(groups, &usage) {
                out.sample(&[zone], value(used));
            }
        }
    }
}

/// Writes the families of pods.
pub(super) fn pods(page: &mut Exposition, lines: &[ContainerLine], groups: &ZoneGroups<'_>) {
    let mut sorted: Vec<&ContainerLine> = lines.iter().collect();
    sorted.sort_by_key(|line| &line.container.pod_uid);
    let mut usage = Vec::new();
    for (family, value) in energy_families(&table::KEPLER_POD_JOULES, &table::KEPLER_POD_WATTS) {
        let mut out = page.family(family);
        for line in &sorted {
            groups.sum([&*line.energy], &mut usage);
            let uid = line.container.pod_uid.as_deref().unwrap_or_default();
            let (name, namespace) = line.pod.as_ref().map_or(("", ""), |pod| (&pod.name, &pod.namespace));
            out.fix(&[uid, name, namespace, state(line.state)]);
            for (zone, used) in in_kepler(groups, &usage) {
                out.sample(&[zone], value(used));
            }
        }
    }
}

/// Writes the version, in the way in which Kepler names architectures (Go's).
pub(super) fn build_info(page: &mut Exposition) {
    let labels = [architecture(), "", "", env!("CARGO_PKG_VERSION"), ""];
    page.family(&table::KEPLER_BUILD_INFO).sample(&labels, Value::Count(1));
}

fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// What a family shows of a consumer's usage.
type OfUsage = fn(Usage) -> Value;

/// A consumer's pair of families, and what each takes from its usage.
fn energy_families(joules: &'static Family, watts: &'static Family) -> [(&'static Family, OfUsage); 2] {
    [(joules, |used| Value::Energy(used.active + used.idle)), (watts, |used| Value::Power(used.power))]
}

fn in_kepler<'a>(groups: &'a ZoneGroups<'_>, usage: &'a [Option<Usage>]) -> impl Iterator<Item = (&'a str, Usage)> {
    groups
        .groups
        .iter()
        .zip(usage)
        .filter(|(group, _)| group.in_kepler)
        .filter_map(|(group, used)| Some((&*group.label, (*used)?)))
}
