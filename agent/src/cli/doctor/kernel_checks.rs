//! What the kernel offers.

use super::fact::Fact;
use super::finding::{Finding, Section, Status};
use super::kernel::KernelFacts;
use super::machine::MachineFacts;

/// The oldest kernel that has everything the programs need: the ring buffer came with 5.8.
const OLDEST: (u32, u32) = (5, 8);

pub(super) fn check(machine: &MachineFacts, configured_btf: bool) -> Vec<Finding> {
    let KernelFacts {
        release: _,
        btf,
        bpffs,
        tracefs,
        lockdown,
        unprivileged_bpf_disabled: _,
        perf_event_paranoid: _,
        bpf_stats_enabled,
    } = &machine.kernel;
    let finding = |name: &str, status, meaning: &str| Finding::new(Section::Kernel, name, status, meaning);
    vec![
        release(&machine.kernel),
        match btf {
            Fact::Is(path) => finding("btf", Status::Ok, &format!("{}: the fastest hook can be used", path.display())),
            Fact::Absent if configured_btf => {
                finding("btf", Status::Ok, "not in the kernel, but activity.btf names a file")
            }
            Fact::Absent => finding("btf", Status::Degraded, "not in the kernel: a slower hook is used")
                .fix("use a kernel with CONFIG_DEBUG_INFO_BTF=y, or name a file of it in activity.btf"),
            Fact::Unknown(why) => finding("btf", Status::Unknown, why),
        },
        match tracefs {
            Fact::Is(path) => finding("tracefs", Status::Ok, &path.display().to_string()),
            Fact::Absent => {
                finding("tracefs", Status::Missing, "not mounted: plain tracepoints cannot be fallen back on")
                    .fix("mount -t tracefs tracefs /sys/kernel/tracing")
            }
            Fact::Unknown(why) => finding("tracefs", Status::Unknown, why),
        },
        match bpffs {
            Fact::Is(path) => finding("bpffs", Status::Ok, &path.display().to_string()),
            Fact::Absent => {
                finding("bpffs", Status::Missing, "not mounted: accounting cannot go on while the agent is away")
                    .fix("mount -t bpf bpf /sys/fs/bpf")
            }
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
                finding("bpf-stats", Status::Missing, "off: the agent's own cost per switch is not exported")
                    .fix("sysctl kernel.bpf_stats_enabled=1 (it costs some nanoseconds a switch itself)")
            }
            Fact::Is(_) => finding("bpf-stats", Status::Ok, "on: the agent's own cost per switch is exported"),
            Fact::Absent => finding("bpf-stats", Status::Missing, "not in this kernel (it came with 5.1)"),
            Fact::Unknown(why) => finding("bpf-stats", Status::Unknown, why),
        },
    ]
}

fn release(kernel: &KernelFacts) -> Finding {
    let (major, minor) = OLDEST;
    let finding = |status, meaning| Finding::new(Section::Kernel, "kernel", status, meaning).required();
    match (&kernel.release, kernel.version()) {
        (Fact::Is(release), Some(version)) if version >= OLDEST => finding(Status::Ok, format!("Linux {release}")),
        (Fact::Is(release), Some(_)) => {
            finding(Status::Missing, format!("Linux {release}, which has no BPF ring buffer"))
                .fix(format!("use Linux {major}.{minor} or newer; 5.10 and newer are tested"))
        }
        (Fact::Is(release), None) => finding(Status::Unknown, format!("'{release}' is no release of Linux")),
        (Fact::Absent, _) => finding(Status::Unknown, "not to be found".into()),
        (Fact::Unknown(why), _) => finding(Status::Unknown, why.clone()),
    }
}
