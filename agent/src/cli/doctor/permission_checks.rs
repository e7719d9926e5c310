//! What this process may do, and what is lost where it may not.

use super::fact::Fact;
use super::finding::{Finding, Section, Status};
use super::machine::MachineFacts;
use super::process::{Capabilities, Capability, ProcessFacts};

/// Since this version memory of BPF maps is charged to the cgroup and no longer to `RLIMIT_MEMLOCK`
/// (`bpf_map_charge_init` is gone from `kernel/bpf/syscall.c`).
const WITHOUT_MEMLOCK: (u32, u32) = (5, 11);

const HOW_TO_GRANT: &str = "run as root, or grant it: setcap on the binary, AmbientCapabilities in the systemd unit, \
                            securityContext.capabilities.add in Kubernetes, --cap-add in a container";

pub(super) fn check(machine: &MachineFacts) -> Vec<Finding> {
    let ProcessFacts { user, capabilities, first_user_namespace, first_pid_namespace, memlock: _, hidepid: _ } =
        &machine.process;
    let finding = |name: &str, status, meaning: &str| Finding::new(Section::Permissions, name, status, meaning);
    let mut findings = vec![bpf(machine)];
    findings.extend(memlock(machine));
    findings.push(match capabilities {
        Fact::Is(held) if held.has(Capability::DacReadSearch) => {
            finding("protected-files", Status::Ok, "CAP_DAC_READ_SEARCH: counters that only root may read can be read")
        }
        Fact::Is(_) if *user == Fact::Is(0) && *first_user_namespace != Fact::Is(false) => {
            finding("protected-files", Status::Ok, "root: its own files, such as powercap's counters, can be read")
        }
        Fact::Is(_) => finding(
            "protected-files",
            Status::Degraded,
            "CAP_DAC_READ_SEARCH is missing: powercap's counters (mode 0400) are closed to this user",
        )
        .fix(HOW_TO_GRANT),
        Fact::Absent => finding("protected-files", Status::Unknown, "no capabilities to be found"),
        Fact::Unknown(why) => finding("protected-files", Status::Unknown, why),
    });
    findings.push(performance_counters(machine));
    if let Fact::Is(false) = first_user_namespace {
        findings.push(
            finding(
                "user-namespace",
                Status::Degraded,
                "not the machine's first: capabilities in it do not count for BPF",
            )
            .fix("run on the host, or in a container that is not rootless and not remapped"),
        );
    }
    findings.push(match first_pid_namespace {
        Fact::Is(true) => finding("pid-namespace", Status::Ok, "the machine's first: all processes are visible"),
        Fact::Is(false) => finding(
            "pid-namespace",
            Status::Degraded,
            "a container's own: processes outside are accounted for, but older ones may lack a name",
        )
        .fix("share the host's: hostPID: true in Kubernetes, --pid=host in a container"),
        Fact::Absent => finding("pid-namespace", Status::Unknown, "not to be found"),
        Fact::Unknown(why) => finding("pid-namespace", Status::Unknown, why),
    });
    findings.push(hidden_processes(&machine.process));
    findings
}

fn bpf(machine: &MachineFacts) -> Finding {
    let finding = |status, meaning: String| Finding::new(Section::Permissions, "bpf", status, meaning).required();
    let held = match &machine.process.capabilities {
        Fact::Is(held) => *held,
        Fact::Absent => return finding(Status::Unknown, "no capabilities to be found".into()),
        Fact::Unknown(why) => return finding(Status::Unknown, why.clone()),
    };
    if machine.process.first_user_namespace == Fact::Is(false) {
        return finding(Status::Missing, "capabilities of another user namespace do not let programs be loaded".into())
            .fix("run on the host, or in a container that is not rootless and not remapped");
    }
    let needed = [
        (Capability::Bpf, "CAP_BPF (to load programs and maps)"),
        (Capability::Perfmon, "CAP_PERFMON (to attach them to the scheduler)"),
    ];
    let missing: Vec<_> =
        needed.into_iter().filter(|(capability, _)| !held.has(*capability)).map(|(_, name)| name).collect();
    if held.has(Capability::SysAdmin) || missing.is_empty() {
        finding(Status::Ok, "capabilities to load and attach programs are there".into())
    } else {
        finding(Status::Missing, format!("missing: {}", missing.join(" and "))).fix(HOW_TO_GRANT)
    }
}

fn memlock(machine: &MachineFacts) -> Option<Finding> {
    let version = machine.kernel.version()?;
    if version >= WITHOUT_MEMLOCK {
        return None;
    }
    let finding = |status, meaning: String| Finding::new(Section::Permissions, "memlock", status, meaning);
    let can_raise = machine.process.capabilities.known().is_some_and(|held| held.has(Capability::SysResource));
    Some(match &machine.process.memlock {
        Fact::Is(None) => finding(Status::Ok, "unlimited".into()),
        Fact::Is(Some(bytes)) if can_raise => {
            finding(Status::Ok, format!("{bytes} bytes, which CAP_SYS_RESOURCE lets the agent raise"))
        }
        Fact::Is(Some(bytes)) => finding(
            Status::Degraded,
            format!("{bytes} bytes: kernels before 5.11 charge maps to it, and loading may fail"),
        )
        .fix("grant CAP_SYS_RESOURCE, or raise it: LimitMEMLOCK=infinity, ulimit -l unlimited"),
        Fact::Absent => finding(Status::Unknown, "no limits to be found".into()),
        Fact::Unknown(why) => finding(Status::Unknown, why.clone()),
    })
}

/// Whether counters of the whole machine may be opened (kernel/events/core.c, `perf_allow_cpu`).
pub(super) fn may_count(machine: &MachineFacts) -> Option<bool> {
    let held = machine.process.capabilities.known().copied();
    let privileged = |held: Capabilities| held.has(Capability::Perfmon) || held.has(Capability::SysAdmin);
    let by_capability = held.map(privileged).filter(|_| machine.process.first_user_namespace != Fact::Is(false));
    match (by_capability, machine.kernel.perf_event_paranoid.known()) {
        (Some(true), _) => Some(true),
        (_, Some(paranoid)) => Some(*paranoid <= 0),
        (by_capability, None) => by_capability,
    }
}

fn performance_counters(machine: &MachineFacts) -> Finding {
    let finding = |status, meaning: &str| Finding::new(Section::Permissions, "performance-counters", status, meaning);
    let paranoid = machine.kernel.perf_event_paranoid.known().copied();
    let setting = paranoid.map_or("kernel.perf_event_paranoid is not known".into(), |value| {
        format!("kernel.perf_event_paranoid is {value}")
    });
    match may_count(machine) {
        Some(true) => finding(Status::Ok, &format!("of the whole machine may be opened ({setting})")),
        Some(false) => {
            finding(Status::Degraded, &format!("CAP_PERFMON is missing and {setting}: no RAPL through perf"))
                .fix("grant CAP_PERFMON, or set kernel.perf_event_paranoid=0")
        }
        None => finding(Status::Unknown, &setting),
    }
}

fn hidden_processes(process: &ProcessFacts) -> Finding {
    let finding = |status, meaning: &str| Finding::new(Section::Permissions, "hidepid", status, meaning);
    match (&process.hidepid, &process.capabilities) {
        (Fact::Is(0), _) => finding(Status::Ok, "procfs shows all processes"),
        (Fact::Is(_), Fact::Is(held)) if held.has(Capability::SysPtrace) => {
            finding(Status::Ok, "procfs hides processes, but not from CAP_SYS_PTRACE")
        }
        (Fact::Is(level), _) => finding(
            Status::Degraded,
            &format!("procfs is mounted with hidepid={level}: other users' older processes have no name"),
        )
        .fix("grant CAP_SYS_PTRACE, or mount procfs with hidepid=0 for the agent"),
        (Fact::Absent, _) => finding(Status::Unknown, "no mounts to be found"),
        (Fact::Unknown(why), _) => finding(Status::Unknown, why),
    }
}
