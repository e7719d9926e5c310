//! Where the cgroup hierarchies are mounted, from `/proc/self/mountinfo` (Documentation/filesystems/proc.rst, 3.5).

use std::fs;
use std::path::{Path, PathBuf};

use crate::host::HostRoots;

/// A mount of the cgroup v2 hierarchy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CgroupMount {
    /// Where it is mounted.
    pub point: PathBuf,
    /// What of the hierarchy is mounted there: empty for all of it, else the path of the mounted subtree.
    pub prefix: String,
}

/// The configured mount of the v2 hierarchy, or the one that shows most of it.
pub(super) fn find(roots: &HostRoots) -> Option<CgroupMount> {
    match &roots.cgroupfs {
        Some(configured) => Some(CgroupMount { point: hierarchy_at(configured), prefix: String::new() }),
        None => v2_mount(&mountinfo(&roots.procfs)),
    }
}

/// Where the controllers of cgroup v1 are mounted.
pub(super) fn v1_points(procfs: &Path) -> Vec<PathBuf> {
    mountinfo(procfs)
        .lines()
        .filter_map(Mount::parse)
        .filter(|mount| mount.kind == "cgroup")
        .map(Mount::point)
        .collect()
}

fn mountinfo(procfs: &Path) -> String {
    String::from_utf8_lossy(&fs::read(procfs.join("self/mountinfo")).unwrap_or_default()).into_owned()
}

/// On hybrid nodes the usual place is a tmpfs with the v2 hierarchy below it.
pub(crate) fn hierarchy_at(configured: &Path) -> PathBuf {
    let unified = configured.join("unified");
    if !configured.join("cgroup.procs").exists() && unified.join("cgroup.procs").exists() {
        unified
    } else {
        configured.into()
    }
}

/// From the text of `mountinfo`, the mount of the v2 hierarchy that shows most of it.
pub fn v2_mount(mountinfo: &str) -> Option<CgroupMount> {
    mountinfo
        .lines()
        .filter_map(Mount::parse)
        .filter(|mount| mount.kind == "cgroup2")
        .map(|mount| CgroupMount { prefix: prefix_of(mount.root), point: mount.point() })
        .min_by_key(|mount| mount.prefix.len())
}

/// A root with `..` lies outside the reader's cgroup namespace and says nothing of where it is.
fn prefix_of(root: &str) -> String {
    if root == "/" || root.starts_with("/..") { String::new() } else { root.into() }
}

struct Mount<'line> {
    root: &'line str,
    point: &'line str,
    kind: &'line str,
}

impl<'line> Mount<'line> {
    fn parse(line: &'line str) -> Option<Self> {
        let (front, back) = line.split_once(" - ")?;
        let mut fields = front.split(' ').skip(3);
        Some(Self { root: fields.next()?, point: fields.next()?, kind: back.split(' ').next()? })
    }

    fn point(self) -> PathBuf {
        unescape(self.point).into()
    }
}

/// Space, tab, newline and backslash are written as three octal digits.
fn unescape(text: &str) -> String {
    text.replace(r"\040", " ").replace(r"\011", "\t").replace(r"\012", "\n").replace(r"\134", "\\")
}

#[cfg(test)]
mod tests {
    use super::*;

    const HYBRID: &str = "\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime shared:9 - cgroup cgroup rw,cpu
41 31 0:38 /kubepods /mnt/some\\040place rw,relatime - cgroup2 cgroup2 rw
42 31 0:38 / /sys/fs/cgroup/unified rw,relatime shared:4 master:1 - cgroup2 cgroup2 rw
";

    #[test]
    fn the_mount_that_shows_the_whole_hierarchy_wins() {
        let mount = v2_mount(HYBRID).unwrap();
        assert_eq!(mount, CgroupMount { point: "/sys/fs/cgroup/unified".into(), prefix: String::new() });
    }

    #[test]
    fn a_mounted_subtree_gives_its_path_as_prefix() {
        let only_subtree: String = HYBRID.lines().filter(|line| !line.starts_with("42")).collect::<Vec<_>>().join("\n");
        let mount = v2_mount(&only_subtree).unwrap();
        assert_eq!(mount, CgroupMount { point: "/mnt/some place".into(), prefix: "/kubepods".into() });
    }

    #[test]
    fn without_a_mount_or_with_garbage_there_is_none() {
        assert_eq!(v2_mount(""), None);
        assert_eq!(v2_mount("31 23\n - cgroup2\n\u{fffd}"), None);
    }

    #[test]
    fn a_configured_place_is_taken_and_on_hybrid_nodes_the_hierarchy_below_it() {
        let root = tempfile::tempdir().unwrap();
        let roots = HostRoots { cgroupfs: Some(root.path().into()), ..HostRoots::default() };
        assert_eq!(find(&roots).unwrap().point, root.path());
        fs::create_dir(root.path().join("unified")).unwrap();
        fs::write(root.path().join("unified/cgroup.procs"), "").unwrap();
        assert_eq!(find(&roots).unwrap().point, root.path().join("unified"));
    }
}
