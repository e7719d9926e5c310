//! From a cgroup's id to its path, by walking the mounted hierarchy: a cgroup's id is the inode number of its directory
//! (fs/kernfs/dir.c, `kernfs_id_ino`; on 32-bit kernels only its lower half, which is not supported).
//!
//! Inside a cgroup namespace the hierarchy shows no more than the agent's own subtree, and paths begin there; cgroups
//! outside it stay without a path. The agent says so once; the remedy is to share the host's cgroup namespace.

use std::fs;
use std::os::unix::fs::{DirEntryExt, MetadataExt};
use std::path::PathBuf;

use rustc_hash::FxHashSet;

use crate::activity::CgroupId;
use crate::clock::Timestamp;
use crate::host::HostRoots;
use crate::notice::Notice;
use crate::units::Nanoseconds;

use super::cgroup_mount::{self, CgroupMount};

/// The least time between two walks.
const WALK_EVERY: Nanoseconds = Nanoseconds::SECOND;

/// The longest time between two walks while some cgroup stays without a path.
const WALK_AT_LEAST_EVERY: Nanoseconds = Nanoseconds(300 * 1_000_000_000);

/// How many directories are looked at per window, so that a walk over very many delays no window.
const DIRECTORIES_PER_STEP: usize = 400;

static NO_HIERARCHY: Notice = Notice::new("no_cgroup_hierarchy");
static SUBTREE_ONLY: Notice = Notice::new("cgroup_subtree_only");

/// The cgroup v2 hierarchy as a tree of directories.
#[derive(Debug)]
pub struct CgroupPaths {
    mount: Option<CgroupMount>,
    whole: bool,
    walk: Option<Walk>,
    wanted: bool,
    next_walk: Timestamp,
    pause: Nanoseconds,
}

#[derive(Debug, Default)]
struct Walk {
    /// Paths below the mount point of directories to be listed.
    pending: Vec<String>,
    seen: FxHashSet<CgroupId>,
    known_before: FxHashSet<CgroupId>,
}

impl CgroupPaths {
    /// Finds the hierarchy. Where there is none, every cgroup stays without a path, and that is said once.
    pub fn open(roots: &HostRoots) -> Self {
        let mount = cgroup_mount::find(roots);
        let inode = mount.as_ref().and_then(|mount| fs::metadata(&mount.point).ok()).map(|root| root.ino());
        match (&mount, inode) {
            (Some(mount), Some(inode)) if inode != CgroupId::ROOT.0 && mount.prefix.is_empty() => {
                SUBTREE_ONLY.warn(format_args!(
                    "{} shows only part of the cgroup hierarchy, so paths are incomplete: run the agent in the host's \
                     cgroup namespace, or mount the host's hierarchy and name it by --cgroupfs",
                    mount.point.display()
                ));
            }
            (Some(_), Some(_)) => {}
            _ => NO_HIERARCHY.warn(
                "no cgroup v2 hierarchy is mounted, so cgroups have no paths: mount one (mount -t cgroup2 none DIR) \
                 and name it by --cgroupfs",
            ),
        }
        Self {
            mount,
            whole: inode == Some(CgroupId::ROOT.0),
            walk: None,
            wanted: false,
            next_walk: Timestamp::default(),
            pause: WALK_EVERY,
        }
    }

    /// Walks the whole hierarchy at once and tells every cgroup's id and path.
    pub fn walk_all(&self, mut found: impl FnMut(CgroupId, &str)) {
        let Some(mount) = &self.mount else { return };
        let mut walk = Walk::begin(mount, FxHashSet::default(), &mut found);
        walk.step(mount, usize::MAX, &mut found);
    }

    /// Whether a cgroup of this hierarchy that is not found is not there.
    pub fn tells_of_all(&self) -> bool {
        self.whole
    }

    /// The folder of the cgroup with this path; `None` where it is in no mount.
    pub fn folder_of(&self, path: &str) -> Option<PathBuf> {
        let mount = self.mount.as_ref()?;
        Some(mount.point.join(path.strip_prefix(&mount.prefix)?.trim_start_matches('/')))
    }

    /// Asks for a walk, because a cgroup has no path.
    pub fn want(&mut self) {
        self.wanted = true;
    }

    /// Goes on with a walk, or begins one if it is wanted (or long ago) and time. `known` are the cgroups that are
    /// thought to exist; those of them that turn out not to exist when the walk is done are returned.
    pub fn step<Known: Iterator<Item = CgroupId>>(
        &mut self,
        at: Timestamp,
        known: impl FnOnce() -> Known,
        mut found: impl FnMut(CgroupId, &str),
    ) -> Vec<CgroupId> {
        let Some(mount) = &self.mount else { return Vec::new() };
        let overdue = at >= self.next_walk + WALK_AT_LEAST_EVERY;
        if self.walk.is_none() && ((self.wanted && at >= self.next_walk) || overdue) {
            self.walk = Some(Walk::begin(mount, known().collect(), &mut found));
            // Whoever is still without a path after this walk will ask again, and wait longer each time.
            self.wanted = false;
        }
        let Some(walk) = &mut self.walk else { return Vec::new() };
        if !walk.step(mount, DIRECTORIES_PER_STEP, &mut found) {
            return Vec::new();
        }
        let news = walk.seen.iter().any(|id| !walk.known_before.contains(id));
        self.pause = if news { WALK_EVERY } else { WALK_AT_LEAST_EVERY.min(Nanoseconds(self.pause.0 * 2)) };
        self.next_walk = at + self.pause;
        let finished = self.walk.take().unwrap_or_default();
        if self.whole { finished.vanished() } else { Vec::new() }
    }
}

impl Walk {
    fn begin(mount: &CgroupMount, known_before: FxHashSet<CgroupId>, found: &mut impl FnMut(CgroupId, &str)) -> Self {
        let mut walk = Self { pending: Vec::new(), seen: FxHashSet::default(), known_before };
        if let Ok(root) = fs::metadata(&mount.point) {
            walk.meet(mount, root.ino(), "", found);
            walk.pending.push(String::new());
        }
        walk
    }

    /// Looks at up to about `budget` directories; true when there is nothing left to look at.
    fn step(&mut self, mount: &CgroupMount, budget: usize, found: &mut impl FnMut(CgroupId, &str)) -> bool {
        let mut looked_at = 0;
        while looked_at < budget {
            let Some(parent) = self.pending.pop() else { return true };
            looked_at += 1;
            // What cannot be listed has been removed meanwhile.
            let Ok(entries) = fs::read_dir(below(mount, &parent)) else { continue };
            for entry in entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
                looked_at += 1;
                let path = format!("{parent}/{}", entry.file_name().to_string_lossy());
                self.meet(mount, entry.ino(), &path, found);
                if has_children(&entry) {
                    self.pending.push(path);
                }
            }
        }
        self.pending.is_empty()
    }

    fn meet(&mut self, mount: &CgroupMount, inode: u64, path: &str, found: &mut impl FnMut(CgroupId, &str)) {
        let id = CgroupId(inode);
        self.seen.insert(id);
        match (mount.prefix.as_str(), path) {
            ("", "") => found(id, "/"),
            ("", _) => found(id, path),
            (prefix, _) => found(id, &format!("{prefix}{path}")),
        }
    }

    fn vanished(self) -> Vec<CgroupId> {
        self.known_before.into_iter().filter(|id| !self.seen.contains(id)).collect()
    }
}

fn below(mount: &CgroupMount, path: &str) -> PathBuf {
    mount.point.join(path.trim_start_matches('/'))
}

/// Whether a directory may have directories in it. Kernfs, as most file systems, counts them in the number of links,
/// beside two of the directory's own (fs/kernfs/inode.c, `kernfs_refresh_inode`); listing a cgroup's sixty files to
/// learn the same takes ten times as long.
fn has_children(entry: &fs::DirEntry) -> bool {
    entry.metadata().map_or(true, |metadata| metadata.nlink() != 2)
}

#[cfg(test)]
mod tests {
    use rustc_hash::FxHashMap;

    use super::*;

    fn tree(folders: &[&str]) -> (tempfile::TempDir, HostRoots) {
        let root = tempfile::tempdir().unwrap();
        for folder in folders {
            fs::create_dir_all(root.path().join(folder)).unwrap();
            fs::write(root.path().join(folder).join("cgroup.procs"), "").unwrap();
        }
        let roots = HostRoots { cgroupfs: Some(root.path().into()), ..HostRoots::default() };
        (root, roots)
    }

    fn inode(root: &tempfile::TempDir, folder: &str) -> CgroupId {
        CgroupId(fs::metadata(root.path().join(folder)).unwrap().ino())
    }

    #[test]
    fn every_directory_is_found_under_its_inode() {
        let (root, roots) = tree(&["system.slice/ssh.service", "system.slice/cron.service", "kubepods/pod1/a/b"]);
        let mut found = FxHashMap::default();
        CgroupPaths::open(&roots).walk_all(|id, path| {
            found.insert(id, path.to_owned());
        });
        assert_eq!(found.len(), 8);
        assert_eq!(found[&inode(&root, "")], "/");
        assert_eq!(found[&inode(&root, "kubepods/pod1/a/b")], "/kubepods/pod1/a/b");
        assert_eq!(found[&inode(&root, "system.slice/ssh.service")], "/system.slice/ssh.service");
    }

    #[test]
    fn a_later_cgroup_is_found_by_asking_and_not_more_often_than_once_a_second() {
        let (root, roots) = tree(&["a"]);
        let mut paths = CgroupPaths::open(&roots);
        let mut walks = 0;
        for window in 0..100 {
            let at = Timestamp(1_000_000_000_000 + window * 10_000_000);
            fs::create_dir(root.path().join(format!("late-{window}"))).unwrap();
            paths.want();
            let mut roots_met = 0;
            paths.step(at, std::iter::empty, |_, path| roots_met += usize::from(path == "/"));
            walks += roots_met;
        }
        assert_eq!(walks, 1);
    }

    #[test]
    fn what_is_never_found_is_looked_for_ever_more_rarely() {
        let (_root, roots) = tree(&["a"]);
        let mut paths = CgroupPaths::open(&roots);
        let mut known = FxHashSet::default();
        let mut walks = 0;
        for second in 1_000..4_600_u64 {
            paths.want();
            let mut met = Vec::new();
            paths.step(Timestamp(second * 1_000_000_000), || known.clone().into_iter(), |id, _| met.push(id));
            walks += usize::from(!met.is_empty());
            known.extend(met);
        }
        assert!((12..=25).contains(&walks), "{walks} walks in an hour");
    }

    #[test]
    fn a_walk_over_many_directories_is_spread_over_windows() {
        let (root, roots) = tree(&["many"]);
        for number in 0..3 * DIRECTORIES_PER_STEP {
            fs::create_dir(root.path().join(format!("many/{number}/"))).unwrap();
            fs::create_dir(root.path().join(format!("many/{number}/inner"))).unwrap();
        }
        let mut paths = CgroupPaths::open(&roots);
        paths.want();
        let mut found = FxHashSet::default();
        let mut steps = 0;
        while found.len() < 6 * DIRECTORIES_PER_STEP + 2 {
            steps += 1;
            assert!(steps < 100, "only {} found", found.len());
            paths.step(Timestamp(2_000_000_000 + steps), std::iter::empty, |id, _| {
                found.insert(id);
            });
        }
        assert!(steps > 2);
    }

    #[test]
    fn a_missing_hierarchy_gives_no_paths() {
        let roots = HostRoots { procfs: "/nonexistent".into(), ..HostRoots::default() };
        let mut paths = CgroupPaths::open(&roots);
        paths.want();
        assert_eq!(paths.step(Timestamp(5_000_000_000), std::iter::empty, |_, _| panic!("found something")), vec![]);
    }
}
