//! Finds out what there is to know of the machine. Nothing here judges.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use procfs::process::MountInfo;

use crate::host::HostRoots;

use super::fact::{self, Fact};
use super::power::PowerFacts;

/// Where the doctor looks.
#[derive(Clone, Debug)]
pub struct Roots {
    /// The kernel's file systems.
    pub host: HostRoots,
    /// Where the sockets of services are (default `/run`).
    pub run: PathBuf,
}

/// What is known of the machine.
#[derive(Clone, Debug)]
pub struct MachineFacts {
    /// The kernel.
    pub kernel: KernelFacts,
    /// This process.
    pub process: ProcessFacts,
    /// How many CPUs are online.
    pub cpus: Fact<usize>,
    /// How many packages they are in.
    pub packages: Fact<usize>,
    /// The processor's name.
    pub cpu_model: Fact<String>,
    /// Whether a hypervisor runs this machine.
    pub virtualised: Fact<bool>,
    /// The cgroup hierarchies.
    pub cgroups: Fact<Cgroups>,
    /// What measures power.
    pub power: PowerFacts,
    /// The container runtimes whose sockets are there.
    pub runtimes: Vec<&'static str>,
}

/// What is known of the kernel.
#[derive(Clone, Debug)]
pub struct KernelFacts {
    /// Its release, for example `6.12.1-amd64`.
    pub release: Fact<String>,
    /// Its own BTF.
    pub btf: Fact<PathBuf>,
    /// The file system that programs are pinned in.
    pub bpffs: Fact<PathBuf>,
    /// The file system that tracepoints are listed in.
    pub tracefs: Fact<PathBuf>,
    /// `none`, `integrity` or `confidentiality`.
    pub lockdown: Fact<String>,
    /// `kernel.unprivileged_bpf_disabled`.
    pub unprivileged_bpf_disabled: Fact<i64>,
    /// `kernel.perf_event_paranoid`.
    pub perf_event_paranoid: Fact<i64>,
    /// `kernel.bpf_stats_enabled`.
    pub bpf_stats_enabled: Fact<i64>,
}

impl KernelFacts {
    /// Major and minor version.
    pub fn version(&self) -> Option<(u32, u32)> {
        let mut parts = self.release.known()?.split(['.', '-']);
        Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
    }
}

/// What is known of this process.
#[derive(Clone, Debug)]
pub struct ProcessFacts {
    /// Its effective user id; that of root opens root's files even without capabilities.
    pub user: Fact<u32>,
    /// Its effective capabilities.
    pub capabilities: Fact<Capabilities>,
    /// Whether it is in the first user namespace, outside of which capabilities count for little.
    pub first_user_namespace: Fact<bool>,
    /// Whether it is in the first PID namespace, outside of which it does not see all processes.
    pub first_pid_namespace: Fact<bool>,
    /// How many bytes it may lock; `None` for any.
    pub memlock: Fact<Option<u64>>,
    /// How procfs hides other users' processes: 0 not at all, 1 their contents, 2 that they exist.
    pub hidepid: Fact<u8>,
}

/// Effective capabilities, as bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities(pub u64);

/// A capability by its number in include/uapi/linux/capability.h.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capability {
    /// `CAP_DAC_READ_SEARCH`
    DacReadSearch = 2,
    /// `CAP_SYS_PTRACE`
    SysPtrace = 19,
    /// `CAP_SYS_ADMIN`
    SysAdmin = 21,
    /// `CAP_SYS_RESOURCE`
    SysResource = 24,
    /// `CAP_PERFMON`, since 5.8
    Perfmon = 38,
    /// `CAP_BPF`, since 5.8
    Bpf = 39,
}

impl Capabilities {
    /// Whether a capability is among them.
    pub const fn has(self, capability: Capability) -> bool {
        self.0 >> (capability as u32) & 1 == 1
    }
}

/// The cgroup hierarchies that are mounted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cgroups {
    /// Where the v2 hierarchy is.
    pub v2: Option<PathBuf>,
    /// Where the v1 hierarchies are.
    pub v1: Vec<PathBuf>,
}

/// The sockets of container runtimes, below `/run`.
const RUNTIMES: &[(&str, &str)] = &[
    ("containerd", "containerd/containerd.sock"),
    ("containerd (k3s)", "k3s/containerd/containerd.sock"),
    ("CRI-O", "crio/crio.sock"),
    ("Docker", "docker.sock"),
    ("Podman", "podman/podman.sock"),
];

/// The inode numbers of the first namespaces, include/linux/proc_ns.h.
const FIRST_USER_NAMESPACE: &str = "user:[4026531837]";
const FIRST_PID_NAMESPACE: &str = "pid:[4026531836]";

impl MachineFacts {
    /// Looks everything up. Reads files only.
    pub fn collect(roots: &Roots) -> Self {
        let HostRoots { sysfs, procfs, cgroupfs } = &roots.host;
        let mounts = mounts(&procfs.join("self/mountinfo"));
        let cpuinfo = fact::text(&procfs.join("cpuinfo"));
        Self {
            kernel: KernelFacts::collect(sysfs, procfs, &mounts),
            process: ProcessFacts::collect(procfs, &mounts),
            cpus: fact::text(&sysfs.join("devices/system/cpu/online")).then(|list| cpus_in(&list)),
            packages: packages(&sysfs.join("devices/system/cpu")),
            cpu_model: cpuinfo.clone().then(|text| match cpuinfo_line(&text, "model name") {
                Some(model) => Fact::Is(model.to_owned()),
                None => Fact::Absent,
            }),
            virtualised: cpuinfo.then(|text| match cpuinfo_line(&text, "flags") {
                Some(flags) => Fact::Is(flags.split(' ').any(|flag| flag == "hypervisor")),
                None => Fact::Unknown("this processor's flags do not say".into()),
            }),
            cgroups: match cgroupfs {
                Some(given) => fact::path(&given.join("cgroup.controllers"))
                    .then(|_| Fact::Is(Cgroups { v2: Some(given.clone()), v1: Vec::new() })),
                None => mounts.then(|mounts| cgroups(&mounts)),
            },
            power: PowerFacts::collect(sysfs),
            runtimes: RUNTIMES
                .iter()
                .filter_map(|(name, socket)| roots.run.join(socket).exists().then_some(*name))
                .collect(),
        }
    }
}

impl KernelFacts {
    fn collect(sysfs: &Path, procfs: &Path, mounts: &Fact<Vec<MountInfo>>) -> Self {
        let setting = |name: &str| fact::value(&procfs.join("sys/kernel").join(name));
        let mounted = |kind: &'static str| {
            mounts.clone().then(|mounts| match mounts.into_iter().find(|mount| mount.fs_type == kind) {
                Some(mount) => Fact::Is(mount.mount_point),
                None => Fact::Absent,
            })
        };
        Self {
            release: fact::text(&procfs.join("sys/kernel/osrelease")).or_unknown("no sys/kernel/osrelease in procfs"),
            btf: fact::path(&sysfs.join("kernel/btf/vmlinux")),
            bpffs: mounted("bpf"),
            tracefs: mounted("tracefs"),
            lockdown: fact::text(&sysfs.join("kernel/security/lockdown")).then(|text| {
                let chosen = text.split_once('[').and_then(|(_, rest)| rest.split_once(']'));
                chosen.map_or(Fact::Unknown(text.clone()), |(mode, _)| Fact::Is(mode.to_owned()))
            }),
            unprivileged_bpf_disabled: setting("unprivileged_bpf_disabled"),
            perf_event_paranoid: setting("perf_event_paranoid"),
            bpf_stats_enabled: setting("bpf_stats_enabled"),
        }
    }
}

impl ProcessFacts {
    fn collect(procfs: &Path, mounts: &Fact<Vec<MountInfo>>) -> Self {
        let own = procfs.join("self");
        let namespace = |name: &str, first: &str| match std::fs::read_link(own.join("ns").join(name)) {
            Ok(link) => Fact::Is(link.as_os_str() == first),
            Err(error) => Fact::Unknown(format!("self/ns/{name}: {error}")),
        };
        let status = fact::text(&own.join("status")).or_unknown("no self/status in procfs");
        Self {
            user: status.clone().then(|status| {
                // Real, effective, saved, and of the file system.
                let ids = status.lines().find_map(|line| line.strip_prefix("Uid:"));
                match ids.and_then(|ids| ids.split_whitespace().nth(1)?.parse().ok()) {
                    Some(user) => Fact::Is(user),
                    None => Fact::Unknown("self/status has no Uid".into()),
                }
            }),
            capabilities: status.then(|status| {
                let mask = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
                match mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()) {
                    Some(bits) => Fact::Is(Capabilities(bits)),
                    None => Fact::Unknown("self/status has no CapEff".into()),
                }
            }),
            first_user_namespace: namespace("user", FIRST_USER_NAMESPACE),
            first_pid_namespace: namespace("pid", FIRST_PID_NAMESPACE),
            memlock: fact::text(&own.join("limits")).then(|limits| memlock(&limits)),
            hidepid: mounts.clone().then(|mounts| {
                let Some(mount) = mounts.iter().rfind(|mount| mount.fs_type == "proc" && mount.mount_point == procfs)
                else {
                    return Fact::Unknown(format!("{} is no mount of procfs", procfs.display()));
                };
                Fact::Is(match mount.super_options.get("hidepid").and_then(Option::as_deref) {
                    Some("1" | "noaccess") => 1,
                    Some("2" | "invisible" | "4" | "ptraceable") => 2,
                    _ => 0,
                })
            }),
        }
    }
}

fn mounts(mountinfo: &Path) -> Fact<Vec<MountInfo>> {
    fact::text(mountinfo)
        .or_unknown("no self/mountinfo in procfs")
        .then(|text| Fact::Is(text.lines().filter_map(|line| MountInfo::from_line(line).ok()).collect()))
}

fn cgroups(mounts: &[MountInfo]) -> Fact<Cgroups> {
    let of = |kind: &'static str| {
        mounts.iter().filter(move |mount| mount.fs_type == kind).map(|mount| mount.mount_point.clone())
    };
    let found = Cgroups { v2: of("cgroup2").next(), v1: of("cgroup").collect() };
    if found == Cgroups::default() { Fact::Absent } else { Fact::Is(found) }
}

fn memlock(limits: &str) -> Fact<Option<u64>> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max locked memory"));
    match line.and_then(|line| line.split_whitespace().next()) {
        Some("unlimited") => Fact::Is(None),
        Some(bytes) => bytes.parse().map_or(Fact::Unknown(bytes.into()), |bytes| Fact::Is(Some(bytes))),
        None => Fact::Unknown("self/limits does not say".into()),
    }
}

/// The number of CPUs in a list such as `0-3,8`.
fn cpus_in(list: &str) -> Fact<usize> {
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
        last.checked_sub(first)?.checked_add(1)
    };
    let sum = list.split(',').map(range).try_fold(0usize, |sum, count| sum.checked_add(count?));
    sum.map_or(Fact::Unknown(format!("'{list}' is no list of CPUs")), Fact::Is)
}

fn packages(cpus: &Path) -> Fact<usize> {
    fact::names(cpus).then(|names| {
        let ids: BTreeSet<i64> = names
            .iter()
            .filter(|name| name.starts_with("cpu"))
            .filter_map(|name| fact::value(&cpus.join(name).join("topology/physical_package_id")).known().copied())
            .collect();
        if ids.is_empty() { Fact::Absent } else { Fact::Is(ids.len()) }
    })
}

fn cpuinfo_line<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.trim() == key)
        .map(|(_, value)| value.trim())
}
