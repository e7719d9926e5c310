//! Who draws power, in PowerAPI's words.

use crate::snapshot::{CgroupLine, FunctionLine, ZoneLine};
use crate::source::{Provenance, ZoneName};

use super::place::Place;

/// What a figure is told apart by, in the order of the names.
pub(in crate::export) const TAGS: [&str; 9] = [
    "formula",
    "k8s_container_name",
    "k8s_pod_name",
    "k8s_pod_namespace",
    "kind",
    "scope",
    "sensor",
    "socket",
    "target",
];

/// The formula of what was shared out.
const SHARED_OUT: &str = "prony";

/// A target. Its kind tells it from one of another kind with the same name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::export) struct Target<'a> {
    kind: &'static str,
    name: &'a str,
    formula: &'a str,
    /// Container, pod and namespace; empty outside Kubernetes.
    kubernetes: [&'a str; 3],
}

impl<'a> Target<'a> {
    /// What a zone's meter shows. RAPL is called `rapl`, as PowerAPI calls it, and nothing else is.
    pub(in crate::export) fn measured(line: &'a ZoneLine) -> Self {
        let is_rapl = line.source.0.starts_with("rapl-");
        let name = match line.provenance {
            Provenance::Estimated => "estimate",
            Provenance::Measured | Provenance::Fused if is_rapl => "rapl",
            Provenance::Measured | Provenance::Fused => "meter",
        };
        let formula = match line.zone.name {
            ZoneName::Package if is_rapl => "RAPL_ENERGY_PKG",
            ZoneName::Core if is_rapl => "RAPL_ENERGY_CORES",
            ZoneName::Uncore if is_rapl => "RAPL_ENERGY_GPU",
            ZoneName::Dram if is_rapl => "RAPL_ENERGY_DRAM",
            ZoneName::Psys if is_rapl => "RAPL_ENERGY_PSYS",
            _ => &line.source.0,
        };
        Self { kind: "zone", name, formula, kubernetes: [""; 3] }
    }

    /// All of a zone's energy that the books explain: what consumers used, and the static part.
    pub(in crate::export) fn global() -> Self {
        Self { kind: "zone", name: "global", formula: SHARED_OUT, kubernetes: [""; 3] }
    }

    /// The container that a cgroup lies in, else the cgroup itself by its path.
    pub(in crate::export) fn of_cgroup(line: &'a CgroupLine) -> Self {
        let Some(container) = &line.container else {
            return Self { kind: "cgroup", name: &line.path, formula: SHARED_OUT, kubernetes: [""; 3] };
        };
        let known = line.container_facts.as_deref().map_or("", |facts| &facts.name);
        let kubernetes = line.pod.as_deref().map_or([""; 3], |pod| [known, &pod.name, &pod.namespace]);
        let name = if known.is_empty() { &container.id } else { known };
        Self { kind: "container", name, formula: SHARED_OUT, kubernetes }
    }

    /// A function: all its containers, which are targets too.
    pub(in crate::export) fn of_function(line: &'a FunctionLine) -> Self {
        let namespace: &str = &line.function.namespace;
        Self { kind: "function", name: &line.function.name, formula: SHARED_OUT, kubernetes: ["", "", namespace] }
    }

    /// What the cgroups used that have no line of their own.
    pub(in crate::export) fn other() -> Self {
        Self { kind: "other", name: "other", formula: SHARED_OUT, kubernetes: [""; 3] }
    }

    /// The values of [`TAGS`]; those that are empty do not concern it.
    pub(in crate::export) fn values<'b>(&'b self, sensor: &'b str, place: &'b Place) -> [&'b str; TAGS.len()] {
        let [container, pod, namespace] = self.kubernetes;
        [self.formula, container, pod, namespace, self.kind, &place.scope, sensor, &place.socket, self.name]
    }
}
