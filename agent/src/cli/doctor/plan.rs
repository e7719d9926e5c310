//! What the agent will use on this machine.

use serde::Serialize;

use crate::config::{Config, RaplInterface};

use super::fact::Fact;
use super::finding::Finding;
use super::machine::{Cgroups, MachineFacts};
use super::permission_checks::may_count;
use super::power::Chip;
use super::power_checks::wants;
use super::reach::Reach;

/// What the agent will use, as far as can be told without starting it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// Where CPU time comes from.
    pub cpu_time: String,
    /// What measures energy, from the best.
    pub energy: Vec<String>,
    /// What tells groups apart.
    pub groups: String,
    /// What is served where.
    pub exports: Vec<String>,
}

impl Plan {
    pub(super) fn new(machine: &MachineFacts, config: &Config, meters: &[Reach], findings: &[Finding]) -> Self {
        let exports = [
            ("Prometheus", config.prometheus.enabled, config.prometheus.listen),
            ("gRPC", config.grpc.enabled, config.grpc.listen),
        ];
        Self {
            cpu_time: cpu_time(machine, config, findings),
            energy: energy(machine, config, meters),
            groups: match &machine.cgroups {
                Fact::Is(Cgroups { v2: Some(path), .. }) => format!("cgroup v2 at {}", path.display()),
                Fact::Is(Cgroups { v2: None, .. }) => "cgroup v1, by process".into(),
                Fact::Absent | Fact::Unknown(_) => "processes only".into(),
            },
            exports: exports
                .into_iter()
                .filter(|(_, enabled, _)| *enabled)
                .map(|(name, _, address)| format!("{name} on {address}"))
                .collect(),
        }
    }
}

fn cpu_time(machine: &MachineFacts, config: &Config, findings: &[Finding]) -> String {
    let fatal: Vec<_> =
        findings.iter().filter(|finding| finding.is_fatal()).map(|finding| finding.name.as_str()).collect();
    if !fatal.is_empty() {
        return format!("none, for want of: {}", fatal.join(", "));
    }
    let hook = match (&machine.kernel.btf, &config.activity.btf) {
        (Fact::Is(_), _) | (_, Some(_)) => "tp_btf",
        _ => "raw_tp",
    };
    format!("eBPF on sched_switch ({hook}), every {}", humantime::format_duration(config.activity.window))
}

fn energy(machine: &MachineFacts, config: &Config, meters: &[Reach]) -> Vec<String> {
    let mut sources: Vec<String> = meters
        .iter()
        .filter_map(|reach| match reach {
            Reach::NotTried { name } | Reach::Silent { name } | Reach::Free { name } => Some(name.clone()),
            Reach::Failed { .. } => None,
        })
        .collect();
    let power = &machine.power;
    if let (true, Fact::Is(chips)) = (config.source.hwmon.enabled, &power.hwmon) {
        sources.extend(chips.iter().map(|Chip { name, .. }| format!("hwmon {name}")));
    }
    let perf =
        power.pmu.known().filter(|_| wants(&config.source, RaplInterface::Perf) && may_count(machine) != Some(false));
    let powercap = power.powercap.known().filter(|_| wants(&config.source, RaplInterface::Powercap));
    let readable = powercap.map(|zones| zones.iter().filter(|zone| zone.unreadable.is_none()).collect::<Vec<_>>());
    match (perf, readable) {
        (Some(events), _) => {
            let doubt = if machine.virtualised == Fact::Is(true) { ", if the hypervisor lets it move" } else { "" };
            sources.push(format!("RAPL through perf ({}){doubt}", events.join(", ")));
        }
        (None, Some(zones)) if !zones.is_empty() => {
            let names: Vec<_> = zones.iter().map(|zone| zone.name.as_str()).collect();
            sources.push(format!("RAPL through powercap ({})", names.join(", ")));
        }
        _ => {}
    }
    if config.source.estimate.enabled.unwrap_or(sources.is_empty()) {
        sources.push("estimate from CPU time (labelled as such everywhere)".into());
    }
    sources
}
