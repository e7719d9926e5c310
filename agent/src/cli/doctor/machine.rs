//! Finds out what there is to know of the machine. Nothing here judges.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use procfs::process::MountInfo;

use crate::host::HostRoots;
use crate::identity::cgroup_mount::hierarchy_at;

use super::fact::{self, Fact};
use super::kernel::KernelFacts;
use super::power::PowerFacts;
use super::process::ProcessFacts;

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
                Some(words) => Fact::Is(words.split(' ').any(|word| word == "hypervisor")),
                None => Fact::Unknown("this processor's flags do not say".into()),
            }),
            cgroups: match cgroupfs {
                Some(given) => {
                    let v2 = hierarchy_at(given);
                    fact::path(&v2.join("cgroup.controllers"))
                        .then(|_| Fact::Is(Cgroups { v2: Some(v2.clone()), v1: Vec::new() }))
                }
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

/// The number of CPUs in a list such as `0-3,8`.
fn cpus_in(text: &str) -> Fact<usize> {
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
        last.checked_sub(first)?.checked_add(1)
    };
    let sum = text.split(',').map(range).try_fold(0usize, |sum, count| sum.checked_add(count?));
    sum.map_or(Fact::Unknown(format!("'{text}' is no list of CPUs")), Fact::Is)
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
