//! Finds out what this process may do.

use std::path::Path;

use procfs::process::MountInfo;

use super::fact::{self, Fact};

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

/// A capability by its number in `include/uapi/linux/capability.h`.
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

/// The inode numbers of the first namespaces, `include/linux/proc_ns.h`.
const FIRST_USER_NAMESPACE: &str = "user:[4026531837]";
const FIRST_PID_NAMESPACE: &str = "pid:[4026531836]";

impl ProcessFacts {
    pub(super) fn collect(procfs: &Path, mounts: &Fact<Vec<MountInfo>>) -> Self {
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

fn memlock(limits: &str) -> Fact<Option<u64>> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max locked memory"));
    match line.and_then(|line| line.split_whitespace().next()) {
        Some("unlimited") => Fact::Is(None),
        Some(bytes) => bytes.parse().map_or(Fact::Unknown(bytes.into()), |bytes| Fact::Is(Some(bytes))),
        None => Fact::Unknown("self/limits does not say".into()),
    }
}
