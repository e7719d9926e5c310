//! What the kernel offers.

use crate::kernel::{Attachment, CounterState, LoadError};

use super::attempt::Watching;
use super::fact::Fact;
use super::finding::{Finding, Section, Status};
use super::kernel::KernelFacts;
use super::machine::MachineFacts;

/// The oldest kernel that has everything the programs need: the ring buffer came with 5.8.
const OLDEST: (u32, u32) = (5, 8);

pub(super) fn check(machine: &MachineFacts, configured_btf: bool) -> Vec<Finding> {
    let KernelFacts { release: _, btf, tracefs, bpffs, lockdown, perf_event_paranoid: _, bpf_stats_enabled } =
        &machine.kernel;
    let has_btf = btf.known().is_some() || configured_btf;
    let finding = |name: &str, status, meaning: &str| Finding::new(Section::Kernel, name, status, meaning);
    vec![
        release(&machine.kernel),
        match btf {
            Fact::Is(path) => finding("btf", Status::Ok, &format!("{}: the fastest hook can be used", path.display())),
            Fact::Absent if configured_btf => {
                finding("btf", Status::Ok, "not in the kernel, but activity.btf names a file")
            }
            Fact::Absent => finding(
                "btf",
                Status::Degraded,
                "not in the kernel: the plain tracepoint is used, which names who runs only when they stop, and knows \
                 processes by their number alone",
            )
            .fix("use a kernel with CONFIG_DEBUG_INFO_BTF=y, or name a file of it in activity.btf"),
            Fact::Unknown(why) => finding("btf", Status::Unknown, why),
        },
        match tracefs {
            Fact::Is(path) => finding("tracefs", Status::Ok, &path.display().to_string()),
            Fact::Absent if has_btf => finding("tracefs", Status::Ok, "not mounted, and not needed where there is BTF"),
            Fact::Absent => {
                finding("tracefs", Status::Missing, "not mounted: plain tracepoints cannot be fallen back on")
                    .fix("mount -t tracefs tracefs /sys/kernel/tracing")
            }
            Fact::Unknown(why) => finding("tracefs", Status::Unknown, why),
        },
        match bpffs {
            Fact::Is(path) => {
                finding("bpffs", Status::Ok, &format!("{}: for --pin, to count while no agent runs", path.display()))
            }
            Fact::Absent => finding(
                "bpffs",
                Status::Missing,
                "not mounted: what runs while no agent does cannot be counted (--pin)",
            )
            .fix("mount -t bpf bpf /sys/fs/bpf"),
            Fact::Unknown(why) => finding("bpffs", Status::Unknown, why),
        },
        match lockdown {
            Fact::Is(mode) if mode == "confidentiality" => finding(
                "lockdown",
                Status::Degraded,
                "confidentiality: the kernel refuses programs that read its memory, and performance counters",
            )
            .fix("boot with lockdown=integrity"),
            Fact::Is(mode) => finding("lockdown", Status::Ok, mode),
            Fact::Absent => finding("lockdown", Status::Ok, "not in this kernel, or securityfs is not mounted"),
            Fact::Unknown(why) => finding("lockdown", Status::Unknown, why),
        },
        match bpf_stats_enabled {
            Fact::Is(0) => {
                finding("bpf-stats", Status::Missing, "off: the programs' own cost per switch is not exported")
                    .fix("sysctl kernel.bpf_stats_enabled=1, if you want to see it (it costs some nanoseconds itself)")
            }
            Fact::Is(_) => finding("bpf-stats", Status::Ok, "on: the programs' own cost per switch is exported"),
            Fact::Absent => finding("bpf-stats", Status::Missing, "not in this kernel (it came with 5.1)"),
            Fact::Unknown(why) => finding("bpf-stats", Status::Unknown, why),
        },
    ]
}

/// What came of loading the kernel programs; `None` where that was not tried.
pub(super) fn programs(tried: Option<&Result<Watching, LoadError>>) -> Finding {
    let finding = |status, meaning: String| Finding::new(Section::Kernel, "programs", status, meaning);
    match tried {
        None => finding(Status::Unknown, "not tried: these files are not those of the running kernel".into()),
        Some(Ok(Watching { attachment, shortcomings, counters: _ })) if shortcomings.is_empty() => {
            finding(Status::Ok, format!("loaded, attached by {} and removed again", attachment.label()))
        }
        Some(Ok(Watching { attachment, shortcomings, counters: _ })) => {
            let finding = finding(Status::Degraded, shortcomings.join("; "));
            match attachment {
                Attachment::Tracepoint => finding.fix("use a kernel with CONFIG_DEBUG_INFO_BTF=y"),
                Attachment::TpBtf | Attachment::RawTp => finding.fix("nothing is lost; a newer kernel may take it"),
            }
        }
        Some(Err(LoadError::NotPermitted(why))) => {
            finding(Status::Missing, format!("the kernel refuses to load them: {why}"))
                .fix(
                    "see 'bpf' below; where nothing is missing there, let the container's seccomp profile allow bpf() \
                     and perf_event_open()",
                )
                .required()
        }
        Some(Err(error @ (LoadError::NoAttachment(_) | LoadError::Object(_)))) => {
            finding(Status::Missing, error.to_string()).fix("please report it, with what uname -a says").required()
        }
    }
}

/// Whether cycles and instructions can be counted; `None` where they are not wanted.
pub(super) fn counters(tried: &Watching) -> Option<Finding> {
    let finding = |status, meaning: String| Finding::new(Section::Kernel, "counters", status, meaning);
    match &tried.counters {
        CounterState::Off => None,
        CounterState::Open => {
            Some(finding(Status::Ok, "cycles and instructions are counted for every consumer".into()))
        }
        CounterState::Missing(reason) => {
            let meaning = format!("{reason}: how hard the processor worked for whom is told by CPU time alone");
            Some(finding(Status::Missing, meaning).fix(reason.fix()))
        }
    }
}

/// What came of loading the programs that see requests on sockets.
pub(super) fn sockets(tried: &Result<(), LoadError>) -> Finding {
    let finding = |status, meaning: String| Finding::new(Section::Kernel, "sockets", status, meaning);
    match tried {
        Ok(()) => finding(Status::Ok, "requests on sockets can be seen: loaded, attached and removed again".into()),
        Err(error) => {
            // The verifier's log, which would follow, is for whoever writes programs.
            let why = error.to_string();
            let why = why.lines().next().unwrap_or_default();
            finding(Status::Degraded, format!("requests on sockets cannot be seen: {why}"))
                .fix("use Linux 5.10 or newer with CONFIG_DEBUG_INFO_BTF=y and CONFIG_CGROUP_BPF=y and a cgroup v2 hierarchy, and grant CAP_NET_ADMIN; or set invocation.sockets = false")
        }
    }
}

fn release(kernel: &KernelFacts) -> Finding {
    let (major, minor) = OLDEST;
    let finding = |status, meaning| Finding::new(Section::Kernel, "kernel", status, meaning).required();
    match (&kernel.release, kernel.version()) {
        (Fact::Is(release), Some(version)) if version >= OLDEST => finding(Status::Ok, format!("Linux {release}")),
        (Fact::Is(release), Some(_)) => {
            finding(Status::Missing, format!("Linux {release}, which has no BPF ring buffer"))
                .fix(format!("use Linux {major}.{minor} or newer"))
        }
        (Fact::Is(release), None) => finding(Status::Unknown, format!("'{release}' is no release of Linux")),
        (Fact::Absent, _) => finding(Status::Unknown, "not to be found".into()),
        (Fact::Unknown(why), _) => finding(Status::Unknown, why.clone()),
    }
}
