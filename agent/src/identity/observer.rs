//! Names kept up to date from events and files together.

use std::path::PathBuf;

use crate::activity::{ActivityWindow, CgroupId, ConsumerId, Lifecycle};
use crate::clock::Timestamp;
use crate::host::HostRoots;

use super::{CgroupPaths, FunctionRules, MetadataNews, Names, ProcessFiles};

/// Names, and the files that they are completed from.
#[derive(Debug)]
pub struct Identity {
    names: Names,
    paths: CgroupPaths,
    files: ProcessFiles,
}

impl Identity {
    /// Reads which cgroups there are. Where a file system is missing or unreadable, names stay incomplete, and that is
    /// said once.
    pub fn open(roots: &HostRoots, rules: FunctionRules) -> Self {
        let mut names = Names::new(rules);
        let paths = CgroupPaths::open(roots);
        paths.walk_all(|id, path| names.set_cgroup_path(id, path));
        Self { names, paths, files: ProcessFiles::open(roots) }
    }

    /// What is known.
    pub fn names(&self) -> &Names {
        &self.names
    }

    /// Whether a cgroup of the v2 hierarchy that was not found is not there.
    pub fn tells_of_all_cgroups(&self) -> bool {
        self.paths.tells_of_all()
    }

    /// What is known, for what an earlier agent has known beside.
    pub fn names_mut(&mut self) -> &mut Names {
        &mut self.names
    }

    /// Takes in what a source of metadata told at `at`.
    pub fn metadata(&mut self, at: Timestamp, news: Vec<MetadataNews>) {
        self.names.metadata(at, news);
    }

    /// The folder of the cgroup with this path; `None` where it is in no mount.
    pub fn cgroup_folder(&self, path: &str) -> Option<PathBuf> {
        self.paths.folder_of(path)
    }

    /// Takes in a window and the events that came with it. To be called before the window is recorded in the ledger.
    /// What is found out beside the events (cgroups that have gone unnoticed) is appended to them.
    pub fn observe(&mut self, window: &ActivityWindow, events: &mut Vec<Lifecycle>) {
        self.names.forget();
        for event in events.iter() {
            self.names.apply(event);
        }
        self.find_cgroups(window, events);
        self.files.observe(window, &mut self.names);
        self.files.forget(events);
        let vanished = self.files.vanished_v1_groups(window.to, &self.names);
        self.remove(vanished, window, events);
    }

    fn find_cgroups(&mut self, window: &ActivityWindow, events: &mut Vec<Lifecycle>) {
        let unknown = |consumer: &ConsumerId| self.names.cgroup(consumer.cgroup).is_none();
        if window.slices.iter().any(|slice| unknown(&slice.consumer)) {
            self.paths.want();
        }
        let mut found = Vec::new();
        let names = &self.names;
        let vanished =
            self.paths.step(window.to, || names.existing_cgroups(), |id, path| found.push((id, path.to_owned())));
        for (id, path) in &found {
            self.names.set_cgroup_path(*id, path);
        }
        self.remove(vanished, window, events);
    }

    fn remove(&mut self, vanished: Vec<CgroupId>, window: &ActivityWindow, events: &mut Vec<Lifecycle>) {
        for cgroup in vanished {
            let event = Lifecycle::CgroupRemoved { at: window.to, cgroup };
            self.names.apply(&event);
            events.push(event);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::MetadataExt;
    use std::sync::Arc;

    use super::*;
    use crate::activity::{Comm, Pid, ShardId, Slice, Topology};
    use crate::clock::Timestamp;
    use crate::units::Nanoseconds;

    fn window(second: u64, consumers: &[ConsumerId]) -> ActivityWindow {
        let slice = |&consumer| Slice { consumer, shard: ShardId(0), cpu_time: Nanoseconds(1) };
        ActivityWindow {
            from: Timestamp((second - 1) * 1_000_000_000),
            to: Timestamp(second * 1_000_000_000),
            slices: consumers.iter().map(slice).collect(),
            idle: Vec::new(),
            topology: Arc::new(Topology::default()),
            counts: Vec::new(),
            kinds: Arc::default(),
        }
    }

    #[test]
    fn a_cgroup_whose_event_was_lost_is_found_and_the_events_are_completed() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("cg/early")).unwrap();
        let roots = HostRoots {
            procfs: root.path().join("proc"),
            cgroupfs: Some(root.path().join("cg")),
            ..HostRoots::default()
        };
        let mut identity = Identity::open(&roots, FunctionRules::default());
        fs::create_dir(root.path().join("cg/late")).unwrap();
        let late = CgroupId(fs::metadata(root.path().join("cg/late")).unwrap().ino());
        let consumer = ConsumerId { cgroup: late, pid: Pid(5), start: Nanoseconds(1) };
        let named = Lifecycle::Named { consumer, parent: Pid(1), comm: Comm::new("x"), kernel_thread: false };
        identity.observe(&window(100, &[consumer]), &mut vec![named]);
        assert_eq!(&*identity.names().cgroup(late).unwrap().path, "/late");
        assert_eq!(&*identity.names().consumer(&consumer).unwrap().comm_text, "x");
    }

    /// On a real kernel the root of the hierarchy has inode 1; only then is what is not found known to be gone.
    #[test]
    fn in_a_part_of_the_hierarchy_nothing_is_taken_for_removed() {
        let root = tempfile::tempdir().unwrap();
        let roots =
            HostRoots { procfs: root.path().join("proc"), cgroupfs: Some(root.path().into()), ..HostRoots::default() };
        let mut identity = Identity::open(&roots, FunctionRules::default());
        let mut events = vec![Lifecycle::CgroupMade {
            at: Timestamp(0),
            cgroup: CgroupId(u64::MAX >> 1),
            path: "/elsewhere".into(),
        }];
        for second in [1_000, 2_000, 3_000] {
            identity.observe(&window(second, &[]), &mut events);
        }
        assert!(!identity.names().is_removed(CgroupId(u64::MAX >> 1)));
        assert_eq!(events.len(), 1);
    }
}
