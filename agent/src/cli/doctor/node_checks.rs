//! The machine itself, what tells its workloads apart, and what the agent serves.

use std::net::SocketAddr;

use crate::config::{Config, ConfigErrors};
use crate::identity::metadata::Source;

use super::fact::Fact;
use super::finding::{Finding, Section, Status};
use super::machine::{Cgroups, MachineFacts};
use super::reach::{Port, Ports};

pub(super) fn configuration(files: Option<&str>, errors: Option<&ConfigErrors>) -> Finding {
    let finding = |status, meaning| Finding::new(Section::Machine, "configuration", status, meaning).required();
    match errors {
        None => match files {
            Some(files) => finding(Status::Ok, format!("{files}: good")),
            None => finding(Status::Ok, "no file: the defaults".into()),
        },
        Some(ConfigErrors(problems)) => {
            let first = problems.first().map(ToString::to_string).unwrap_or_default();
            let further = match problems.len() {
                0 | 1 => String::new(),
                count => format!(" (and {} more)", count - 1),
            };
            finding(Status::Missing, format!("{first}{further}; what follows is for the defaults"))
                .fix("prony check-config lists all errors")
        }
    }
}

pub(super) fn machine(machine: &MachineFacts) -> Vec<Finding> {
    let finding = |name: &str, status, meaning: String| Finding::new(Section::Machine, name, status, meaning);
    let cpus = match (&machine.cpus, &machine.packages) {
        (Fact::Is(cpus), Fact::Is(packages)) => finding("cpus", Status::Ok, format!("{cpus} (packages: {packages})")),
        (Fact::Is(cpus), _) => finding("cpus", Status::Degraded, format!("{cpus}; taken for one package")),
        (Fact::Unknown(why), _) => finding("cpus", Status::Unknown, why.clone()),
        (Fact::Absent, _) => finding("cpus", Status::Unknown, "sysfs lists none".into()),
    };
    let kind = match &machine.virtualised {
        Fact::Is(true) => finding(
            "virtualisation",
            Status::Degraded,
            "a virtual machine: it seldom has RAPL, and time stolen by the host shows up in tasks".into(),
        )
        .fix("run the agent on the host too, or use a meter"),
        Fact::Is(false) => finding("virtualisation", Status::Ok, "none".into()),
        Fact::Absent => finding("virtualisation", Status::Unknown, "procfs has no cpuinfo".into()),
        Fact::Unknown(why) => finding("virtualisation", Status::Unknown, why.clone()),
    };
    vec![cpus, kind]
}

pub(super) fn workloads(machine: &MachineFacts) -> Vec<Finding> {
    let finding = |name: &str, status, meaning: String| Finding::new(Section::Workloads, name, status, meaning);
    let cgroups = match &machine.cgroups {
        Fact::Is(Cgroups { v2: Some(path), v1 }) if v1.is_empty() => {
            finding("cgroups", Status::Ok, format!("v2 at {}", path.display()))
        }
        Fact::Is(Cgroups { v2: Some(path), v1 }) => finding(
            "cgroups",
            Status::Degraded,
            format!(
                "hybrid: v2 at {} beside {} v1 hierarchies; groups that exist in v1 only are read from /proc",
                path.display(),
                v1.len()
            ),
        )
        .fix("boot with systemd.unified_cgroup_hierarchy=1 to have v2 alone"),
        Fact::Is(Cgroups { v2: None, v1 }) => finding(
            "cgroups",
            Status::Degraded,
            format!(
                "v1 only ({} hierarchies): time is counted by process, its group taken from /proc/PID/cgroup",
                v1.len()
            ),
        )
        .fix("boot with systemd.unified_cgroup_hierarchy=1"),
        Fact::Absent => {
            finding("cgroups", Status::Missing, "no hierarchy is mounted: only processes are told apart".into())
                .fix("mount -t cgroup2 cgroup2 /sys/fs/cgroup, or name the mount in host.cgroupfs")
        }
        Fact::Unknown(why) => finding("cgroups", Status::Unknown, why.clone()),
    };
    let runtimes = if machine.runtimes.is_empty() {
        finding(
            "container-runtimes",
            Status::Ok,
            "none found; containers of any are known by their cgroups' paths".into(),
        )
    } else {
        let runtimes = machine.runtimes.join(", ");
        finding("container-runtimes", Status::Ok, format!("{runtimes}; containers are known by their cgroups' paths"))
    };
    vec![cgroups, runtimes]
}

pub(super) fn names(sources: &[Source]) -> Finding {
    let finding = |status, meaning| Finding::new(Section::Workloads, "container-names", status, meaning);
    if sources.is_empty() {
        return finding(
            Status::Degraded,
            "nothing tells them: containers are known by their ids, functions not at all".into(),
        )
        .fix("in a cluster run the agent as a pod with a service account; else let it open the engine's socket");
    }
    let labels: Vec<&str> = sources.iter().map(|source| source.label()).collect();
    let joint = if sources == [Source::Kubelet, Source::ApiServer] { ", else " } else { ", " };
    finding(Status::Ok, format!("from {}", labels.join(joint)))
}

pub(super) fn exports(config: &Config, ports: &Ports) -> Vec<Finding> {
    let mut findings = vec![
        listener("prometheus", config.prometheus.listen, &ports.prometheus),
        listener("grpc", config.grpc.listen, &ports.grpc),
    ];
    let finding = |status, meaning: String| Finding::new(Section::Exports, "access", status, meaning).required();
    findings.extend(ports.access.as_ref().map(|access| match access {
        Ok(()) => finding(Status::Ok, "the files of [access] can be used".into()),
        Err(why) => finding(Status::Missing, why.clone()).fix("without them the agent does not start"),
    }));
    findings
}

fn listener(name: &str, address: SocketAddr, port: &Port) -> Finding {
    let finding = |status, meaning: String| Finding::new(Section::Exports, name, status, meaning);
    match port {
        Port::Free => finding(Status::Ok, format!("{address} is free")),
        Port::Taken => finding(Status::Degraded, format!("{address} is taken")).fix(format!(
            "it may be a running agent's; else see 'ss -ltnp sport = :{}' or choose another in {name}.listen",
            address.port()
        )),
        Port::Refused(why) => finding(Status::Missing, format!("{address} cannot be opened: {why}"))
            .fix(format!("give {name}.listen an address of this machine, and a port that this user may open")),
        Port::Off => finding(Status::Ok, format!("switched off by {name}.enabled")),
    }
}
