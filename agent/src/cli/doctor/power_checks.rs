//! What measures power, and whether it can be read.

use crate::config::{Config, RaplInterface, SourceConfig};
use crate::source::rapl::Tried;

use super::attempt::Attempts;
use super::fact::Fact;
use super::finding::{Finding, Section, Status};
use super::machine::MachineFacts;
use super::permission_checks::may_count;
use super::power::{Chip, PowercapZone};
use super::reach::Reach;

pub(super) fn check(
    machine: &MachineFacts,
    config: &Config,
    meters: &[Reach],
    attempts: Option<&Attempts>,
) -> Vec<Finding> {
    let source = &config.source;
    let doubtful = attempts.is_none() && machine.virtualised == Fact::Is(true);
    let rapl = [("perf", perf(machine, source, doubtful)), ("powercap", powercap(machine, source))];
    let mut findings: Vec<_> = rapl
        .into_iter()
        .map(|(interface, by_files)| match attempts {
            Some(attempts) => tried(interface, &attempts.rapl, by_files),
            None => by_files,
        })
        .collect();
    findings.push(match attempts {
        Some(attempts) if !attempts.hwmon.is_empty() => {
            let rails: Vec<_> = attempts.hwmon.iter().map(|(zone, what)| format!("zone {zone} by {what}")).collect();
            finding("hwmon", Status::Ok, rails.join("; "))
        }
        _ => hwmon(machine, source),
    });
    findings.extend(meters.iter().map(meter));
    findings.push(estimate(machine, source, attempts));
    findings
}

/// The finding by the files, unless opening the interface told more: what is missing or closed shows there already.
fn tried(interface: &str, all: &[Tried], by_files: Finding) -> Finding {
    match all.iter().find(|tried| tried.interface == interface).map(|tried| &tried.outcome) {
        Some(Ok(zones)) => finding(&by_files.name, Status::Ok, listed(zones)),
        Some(Err(why)) if by_files.status == Status::Ok => finding(&by_files.name, Status::Degraded, why.to_string()),
        None if by_files.status != Status::Missing && all.iter().any(|tried| tried.outcome.is_ok()) => {
            finding(&by_files.name, Status::Ok, "there, but not needed beside the other interface")
        }
        _ => by_files,
    }
}

/// Things by their names, separated by commas.
pub(super) fn listed(things: &[impl ToString]) -> String {
    things.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn finding(name: &str, status: Status, meaning: impl Into<String>) -> Finding {
    Finding::new(Section::Power, name, status, meaning)
}

/// Why there may be none, and what to do instead.
fn no_rapl(machine: &MachineFacts) -> &'static str {
    match machine.virtualised {
        Fact::Is(true) => {
            "a virtual machine seldom has it: use a meter ([[source.esp32]], [[source.meter]]) or the estimate"
        }
        _ => "load the kernel's drivers (modprobe intel_rapl_msr rapl), or use a meter or the estimate",
    }
}

/// Whether the configuration lets RAPL be used through `interface`.
pub(super) fn wants(source: &SourceConfig, interface: RaplInterface) -> bool {
    [RaplInterface::Auto, interface].contains(&source.rapl.interface)
}

/// `doubtful` says that nobody has looked whether the counters count, where they may well not.
fn perf(machine: &MachineFacts, source: &SourceConfig, doubtful: bool) -> Finding {
    let name = "rapl-perf";
    match &machine.power.pmu {
        Fact::Is(events) if may_count(machine) == Some(false) => {
            finding(name, Status::Degraded, format!("{}: there, but may not be opened", events.join(", ")))
                .fix("grant CAP_PERFMON, or set kernel.perf_event_paranoid=0")
        }
        Fact::Is(events) if !wants(source, RaplInterface::Perf) => {
            finding(name, Status::Ok, format!("{}: switched off by source.rapl", events.join(", ")))
        }
        Fact::Is(events) if doubtful => finding(
            name,
            Status::Degraded,
            format!(
                "{}: there, but a hypervisor that does not pass the counters on lets them stand still",
                events.join(", ")
            ),
        )
        .fix("if they do not move, set source.rapl.interface = \"off\" and use a meter or the estimate"),
        Fact::Is(events) => finding(name, Status::Ok, events.join(", ")),
        Fact::Absent => finding(name, Status::Missing, "the kernel has no 'power' counters for this processor")
            .fix(no_rapl(machine)),
        Fact::Unknown(why) => finding(name, Status::Unknown, why),
    }
}

fn powercap(machine: &MachineFacts, source: &SourceConfig) -> Finding {
    let name = "rapl-powercap";
    match &machine.power.powercap {
        Fact::Is(zones) => {
            let closed: Vec<_> = zones.iter().filter(|zone| zone.unreadable.is_some()).collect();
            let names = |zones: &mut dyn Iterator<Item = &PowercapZone>| {
                zones.map(|zone| zone.name.as_str()).collect::<Vec<_>>().join(", ")
            };
            match closed.first().and_then(|zone| zone.unreadable.as_ref()) {
                Some(why) => {
                    let which = names(&mut closed.iter().copied());
                    finding(name, Status::Degraded, format!("{which}: there, but cannot be read ({why})"))
                        .fix("run as root, or grant CAP_DAC_READ_SEARCH: the counters are mode 0400")
                }
                None if wants(source, RaplInterface::Powercap) => finding(name, Status::Ok, names(&mut zones.iter())),
                None => finding(name, Status::Ok, format!("{}: switched off by source.rapl", names(&mut zones.iter()))),
            }
        }
        Fact::Absent => finding(name, Status::Missing, "no RAPL zones under /sys/class/powercap").fix(no_rapl(machine)),
        Fact::Unknown(why) => finding(name, Status::Unknown, why),
    }
}

fn hwmon(machine: &MachineFacts, source: &SourceConfig) -> Finding {
    match &machine.power.hwmon {
        Fact::Is(chips) => {
            let off = if source.hwmon.enabled { "" } else { ": switched off by source.hwmon.enabled" };
            let chips: Vec<_> = chips.iter().map(|Chip { name, inputs }| format!("{name} ({inputs} inputs)")).collect();
            finding("hwmon", Status::Ok, format!("{}{off}", chips.join(", ")))
        }
        Fact::Absent => finding("hwmon", Status::Missing, "no chip that measures power, energy or current")
            .fix("boards with an INA2xx or INA3221 need its driver (modprobe ina2xx, ina3221) and a device tree entry"),
        Fact::Unknown(why) => finding("hwmon", Status::Unknown, why),
    }
}

fn meter(reach: &Reach) -> Finding {
    match reach {
        Reach::NotTried { name } => {
            finding(name, Status::Unknown, "configured, not tried").fix("prony doctor --probe tries to reach it")
        }
        Reach::Silent { name } => finding(
            name,
            Status::Unknown,
            "nothing refuses what is sent there; 'prony run' tells whether readings come",
        ),
        Reach::Failed { name, why, fix } => finding(name, Status::Missing, why).fix(*fix),
        Reach::Free { name } => finding(name, Status::Ok, "the port for its readings is free"),
    }
}

fn estimate(machine: &MachineFacts, source: &SourceConfig, attempts: Option<&Attempts>) -> Finding {
    let model = machine.cpu_model.known().map_or("an unknown processor", String::as_str);
    let found = |status, meaning: String| finding("estimate", status, meaning);
    match (source.estimate.enabled, attempts.map(|attempts| &attempts.estimate), source.estimate.tdp) {
        (Some(false), ..) => finding("estimate", Status::Missing, "switched off by source.estimate.enabled"),
        (_, Some(basis), _) if basis.problems.is_empty() => {
            found(Status::Ok, format!("by CPU time: {}", basis.text)).fix(&basis.better)
        }
        (_, Some(basis), _) => {
            found(Status::Degraded, format!("by CPU time: {}; {}", basis.text, basis.problems.join("; ")))
                .fix(&basis.better)
        }
        (_, None, _) if source.estimate.profile_file.is_some() => {
            found(Status::Ok, "by CPU time, with the configured power profile".into())
        }
        (_, None, Some(tdp)) => found(Status::Ok, format!("by CPU time, with {tdp} a package as configured")),
        (_, None, None) => found(Status::Ok, format!("by CPU time, from what is known of {model}")),
    }
}
