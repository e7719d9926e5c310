//! What the kernel tells in text.

use prony::activity::parse_cpu_list;
use prony::host::HostRoots;
use prony::identity::cgroup_mount::v2_mount;
use prony::identity::cgroup_v1::deepest_path;
use prony::identity::process_stat::ProcessStat;
use prony::identity::{NodeFacts, container_of};
use prony::source::estimate::cpu_model;
use prony::units::Nanoseconds;

use super::tree::Tree;

/// The path of a cgroup.
pub(super) fn cgroup_path(data: &[u8]) {
    let Ok(path) = std::str::from_utf8(data) else { return };
    if let Some(container) = container_of(path) {
        let lengths = if container.runtime == "firecracker" { 1..=64 } else { 64..=64 };
        assert!(lengths.contains(&container.id.len()), "{container:?}");
        assert!(path.contains(&*container.id), "{container:?}");
        assert!(container.pod_uid.is_none_or(|uid| matches!(uid.len(), 32 | 36)));
    }
}

/// A list of CPUs, as in `/sys/devices/system/cpu/possible`.
pub(super) fn cpu_list(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Some(cpus) = parse_cpu_list(text) {
        assert!(!cpus.is_empty() && cpus.is_sorted_by(|one, other| one < other), "{cpus:?}");
    }
}

/// A text that stands in for each of `/proc/PID/stat`, `/proc/PID/cgroup`, `/proc/self/mountinfo` and `/proc/cpuinfo`.
pub(super) fn proc_text(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Some(stat) = ProcessStat::parse(&text, Nanoseconds::from_millis(10)) {
        assert!(stat.started_at(stat.start, Nanoseconds::from_millis(10)));
    }
    assert!(deepest_path(&text).is_none_or(|path| path.starts_with('/')));
    let _ = v2_mount(&text);
    let tree = Tree::new();
    tree.write("cpuinfo", data);
    let roots = HostRoots { sysfs: tree.path().into(), procfs: tree.path().into(), cgroupfs: None };
    let _ = (NodeFacts::read("node".into(), &roots), cpu_model(&roots));
}
