//! Finds out what the kernel offers.

use std::path::{Path, PathBuf};

use procfs::process::MountInfo;

use super::fact::{self, Fact};

/// What is known of the kernel.
#[derive(Clone, Debug)]
pub struct KernelFacts {
    /// Its release, for example `6.12.1-amd64`.
    pub release: Fact<String>,
    /// Its own BTF.
    pub btf: Fact<PathBuf>,
    /// The file system that tracepoints are listed in.
    pub tracefs: Fact<PathBuf>,
    /// The file system that programs and counters can be kept in.
    pub bpffs: Fact<PathBuf>,
    /// `none`, `integrity` or `confidentiality`.
    pub lockdown: Fact<String>,
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

    pub(super) fn collect(sysfs: &Path, procfs: &Path, mounts: &Fact<Vec<MountInfo>>) -> Self {
        let setting = |name: &str| fact::value(&procfs.join("sys/kernel").join(name));
        Self {
            release: fact::text(&procfs.join("sys/kernel/osrelease")).or_unknown("no sys/kernel/osrelease in procfs"),
            btf: fact::path(&sysfs.join("kernel/btf/vmlinux")),
            tracefs: mounted("tracefs", mounts),
            bpffs: mounted("bpf", mounts),
            lockdown: fact::text(&sysfs.join("kernel/security/lockdown")).then(|text| {
                let chosen = text.split_once('[').and_then(|(_, rest)| rest.split_once(']'));
                chosen.map_or(Fact::Unknown(text.clone()), |(mode, _)| Fact::Is(mode.to_owned()))
            }),
            perf_event_paranoid: setting("perf_event_paranoid"),
            bpf_stats_enabled: setting("bpf_stats_enabled"),
        }
    }
}

/// Where a file system of this type is mounted.
fn mounted(fs_type: &str, mounts: &Fact<Vec<MountInfo>>) -> Fact<PathBuf> {
    mounts.clone().then(|mounts| match mounts.into_iter().find(|mount| mount.fs_type == fs_type) {
        Some(mount) => Fact::Is(mount.mount_point),
        None => Fact::Absent,
    })
}
