//! The group of a process in the cgroup v1 hierarchies (cgroups(7), `/proc/[pid]/cgroup`).

use std::fs;
use std::path::Path;

/// One line `hierarchy:controllers:path`.
struct Membership<'line> {
    controllers: &'line str,
    path: &'line str,
}

impl<'line> Membership<'line> {
    /// `None` for the v2 hierarchy, whose number is 0, and for what is no such line.
    fn parse_v1(line: &'line str) -> Option<Self> {
        let (number, rest) = line.split_once(':')?;
        let (controllers, path) = rest.split_once(':')?;
        (number != "0" && path.starts_with('/')).then_some(Self { controllers, path })
    }

    fn has_controllers(&self) -> bool {
        !self.controllers.is_empty() && !self.controllers.starts_with("name=")
    }

    fn rank(&self) -> (usize, bool) {
        let depth = self.path.split('/').filter(|segment| !segment.is_empty()).count();
        (depth, self.controllers.split(',').any(|controller| controller == "cpu"))
    }
}

/// Whether this node has cgroup v1 controllers.
pub(super) fn in_use(procfs: &Path) -> bool {
    fs::read_to_string(procfs.join("self/cgroup"))
        .is_ok_and(|text| text.lines().filter_map(Membership::parse_v1).any(|member| member.has_controllers()))
}

/// From the text of the file, the deepest path among the v1 hierarchies, where controllers differ; that of `cpu` among
/// equals.
pub fn deepest_path(memberships: &str) -> Option<&str> {
    memberships.lines().filter_map(Membership::parse_v1).max_by_key(Membership::rank).map(|member| member.path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deepest_group_wins_and_the_v2_line_does_not_count() {
        let text = "9:name=systemd:/\n4:memory:/a/b\n2:cpu,cpuacct:/c\n0::/x/y/z\n";
        assert_eq!(deepest_path(text), Some("/a/b"));
        let equal = "4:memory:/docker/m\n2:cpu,cpuacct:/docker/c\n3:pids:/docker/p\n0::/\n";
        assert_eq!(deepest_path(equal), Some("/docker/c"));
        assert_eq!(deepest_path("0::/user.slice\n"), None);
        assert_eq!(deepest_path("garbage\n::\n7:cpu:relative\n"), None);
    }

    #[test]
    fn controllers_make_a_node_one_of_v1() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("self")).unwrap();
        let with = |text: &str| {
            fs::write(root.path().join("self/cgroup"), text).unwrap();
            in_use(root.path())
        };
        assert!(!with("0::/\n"));
        assert!(!with("1:name=systemd:/\n0::/\n"));
        assert!(with("2:cpu,cpuacct:/\n0::/\n"));
        assert!(!in_use(&root.path().join("nowhere")));
    }
}
