//! What the agent will use on this machine.

use serde::Serialize;

use crate::config::{Config, RaplInterface};
use crate::kernel::Attachment;

use super::Facts;
use super::attempt::Attempts;
use super::fact::Fact;
use super::finding::Finding;
use super::machine::{Cgroups, MachineFacts};
use super::permission_checks::may_count;
use super::power::Chip;
use super::power_checks::{listed, wants};
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
    pub(super) fn new(facts: &Facts<'_>, findings: &[Finding]) -> Self {
        let (machine, config) = (facts.machine, facts.config);
        let exports = [
            ("Prometheus", config.prometheus.enabled, config.prometheus.listen),
            ("gRPC", config.grpc.enabled, config.grpc.listen),
        ];
        Self {
            cpu_time: cpu_time(facts, findings),
            energy: energy(facts),
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

fn cpu_time(facts: &Facts<'_>, findings: &[Finding]) -> String {
    let fatal: Vec<_> =
        findings.iter().filter(|finding| finding.is_fatal()).map(|finding| finding.name.as_str()).collect();
    if !fatal.is_empty() {
        return format!("none, for want of: {}", fatal.join(", "));
    }
    let config = facts.config;
    let attached = facts.attempts.and_then(|attempts| attempts.programs.as_ref().ok());
    let attachment = match (attached, &facts.machine.kernel.btf, &config.activity.btf) {
        (Some(watching), ..) => watching.attachment,
        (None, Fact::Is(_), _) | (None, _, Some(_)) => Attachment::TpBtf,
        (None, Fact::Absent | Fact::Unknown(_), None) => Attachment::Tracepoint,
    };
    let window = humantime::format_duration(config.activity.window);
    format!("eBPF on sched_switch ({}), every {window}", attachment.label())
}

fn energy(facts: &Facts<'_>) -> Vec<String> {
    let mut sources: Vec<String> = facts
        .meters
        .iter()
        .filter_map(|reach| match reach {
            Reach::NotTried { name } | Reach::Silent { name } | Reach::Free { name } => Some(name.clone()),
            Reach::Failed { .. } => None,
        })
        .collect();
    match facts.attempts {
        Some(attempts) => sources.extend(opened(attempts)),
        None => sources.extend(by_files(facts.machine, facts.config)),
    }
    if facts.config.source.estimate.enabled.unwrap_or(sources.is_empty()) {
        sources.push(match facts.attempts {
            Some(attempts) => format!("an estimate, labelled so everywhere: {}", attempts.estimate.text),
            None => "estimate from CPU time (labelled as such everywhere)".into(),
        });
    }
    sources
}

/// The sources that could be opened, with their zones.
fn opened(attempts: &Attempts) -> impl Iterator<Item = String> {
    let hwmon = attempts.hwmon.iter().map(|(zone, _)| zone).collect::<Vec<_>>();
    let hwmon = (!hwmon.is_empty()).then(|| format!("hwmon ({})", listed(&hwmon)));
    let rapl = attempts.rapl.iter().filter_map(|tried| {
        let zones = tried.outcome.as_ref().ok()?;
        Some(format!("RAPL through {} ({})", tried.interface, listed(zones)))
    });
    hwmon.into_iter().chain(rapl)
}

/// The sources that should be there by the files.
fn by_files(machine: &MachineFacts, config: &Config) -> Vec<String> {
    let mut sources = Vec::new();
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
    sources
}
