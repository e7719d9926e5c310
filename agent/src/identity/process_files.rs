//! What `/proc/PID` says of processes that lifecycle events did not tell enough of: the program's path, a name whose
//! event was lost, and on nodes with cgroup v1 the group.
//!
//! Files are read once per process, only for those that live or run long enough to be worth it, and no more than a
//! few per window. A process that has gone, or that hides its files, stays as it is.

use std::collections::hash_map::Entry;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustc_hash::FxHashMap;

use crate::activity::{ActivityWindow, CgroupId, ConsumerId, Lifecycle, Pid};
use crate::clock::Timestamp;
use crate::host::HostRoots;
use crate::notice::Notice;
use crate::units::Nanoseconds;

use super::cgroup_mount;
use super::cgroup_v1;
use super::container::container_of;
use super::names::Names;
use super::process_stat::{ProcessStat, clock_tick};

/// How many processes' files are read per window at most.
const READS_PER_WINDOW: u32 = 20;
/// How long a read is paid for: short windows get fewer of them.
const READ_EVERY: Nanoseconds = Nanoseconds::from_millis(5);
/// A process is worth reading when it has been seen for this long ...
const OLD_ENOUGH: Nanoseconds = Nanoseconds::SECOND;
/// ... or has used this much CPU time.
const BUSY_ENOUGH: Nanoseconds = Nanoseconds::from_millis(20);
/// How often the groups of cgroup v1 hierarchies are looked after.
const V1_CHECK_EVERY: Nanoseconds = Nanoseconds(10 * 1_000_000_000);

/// Up to so many processes may hide their files without a warning: a sandbox's first process does so even from root.
const FEW: u64 = 3;

static NO_ACCESS: Notice = Notice::new("process_files_denied");

/// Reader of `/proc/PID`.
#[derive(Debug)]
pub struct ProcessFiles {
    procfs: PathBuf,
    tick: Nanoseconds,
    /// Whether processes are counted in the groups that they have in cgroup v1 hierarchies.
    v1: bool,
    v1_points: Vec<PathBuf>,
    v1_checked: Timestamp,
    watched: FxHashMap<ConsumerId, Watched>,
    v1_group_of: FxHashMap<Pid, CgroupId>,
    refilled: Timestamp,
    reads_left: u32,
    /// How many processes' files could not be read for want of permission.
    denied: u64,
}

#[derive(Clone, Copy, Debug)]
struct Watched {
    since: Timestamp,
    cpu_time: Nanoseconds,
    done: bool,
}

impl ProcessFiles {
    /// A reader below `roots.procfs`.
    pub fn open(roots: &HostRoots) -> Self {
        Self {
            procfs: roots.procfs.clone(),
            tick: clock_tick(),
            v1: cgroup_v1::in_use(&roots.procfs),
            v1_points: cgroup_mount::v1_points(&roots.procfs),
            v1_checked: Timestamp::default(),
            watched: FxHashMap::default(),
            v1_group_of: FxHashMap::default(),
            refilled: Timestamp::default(),
            reads_left: READS_PER_WINDOW,
            denied: 0,
        }
    }

    /// Reads what is due of the window's processes and tells it to `names`.
    pub fn observe(&mut self, window: &ActivityWindow, names: &mut Names) {
        self.refill(window.to);
        for same in window.slices.chunk_by(|left, right| left.consumer == right.consumer) {
            let consumer = same[0].consumer;
            if consumer.pid == Pid(0) {
                continue;
            }
            let watched = match self.watched.entry(consumer) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(fresh) => {
                    if self.v1 && consumer.cgroup == CgroupId::ROOT {
                        inherit_v1_group(consumer, &mut self.v1_group_of, names);
                    }
                    fresh.insert(Watched { since: window.from, cpu_time: Nanoseconds::ZERO, done: false })
                }
            };
            if watched.done {
                continue;
            }
            watched.cpu_time += same.iter().map(|slice| slice.cpu_time).sum();
            let worth_it = window.to.since(watched.since) >= OLD_ENOUGH || watched.cpu_time >= BUSY_ENOUGH;
            if worth_it && self.reads_left > 0 {
                watched.done = true;
                self.reads_left -= 1;
                self.read(consumer, names);
            }
        }
    }

    /// Stops watching what has ended.
    pub fn forget(&mut self, events: &[Lifecycle]) {
        for event in events {
            if let Lifecycle::Ended { consumer } = event {
                self.watched.remove(consumer);
                if self.v1 {
                    self.v1_group_of.remove(&consumer.pid);
                }
            }
        }
    }

    /// The groups of cgroup v1 hierarchies that are no longer there; looked for every ten seconds.
    pub fn vanished_v1_groups(&mut self, at: Timestamp, names: &Names) -> Vec<CgroupId> {
        if !self.v1 || self.v1_points.is_empty() || at.since(self.v1_checked) < V1_CHECK_EVERY {
            return Vec::new();
        }
        self.v1_checked = at;
        let is_there =
            |path: &str| self.v1_points.iter().any(|point| point.join(path.trim_start_matches('/')).is_dir());
        names.v1_groups().filter(|(_, path)| !is_there(path)).map(|(id, _)| id).collect()
    }

    fn refill(&mut self, at: Timestamp) {
        let due = at.since(self.refilled).0 / READ_EVERY.0;
        if due > 0 {
            self.refilled = at;
            self.reads_left = READS_PER_WINDOW.min(self.reads_left.saturating_add(due.min(1_000) as u32));
        }
    }

    fn read(&mut self, consumer: ConsumerId, names: &mut Names) {
        let folder = self.procfs.join(consumer.pid.to_string());
        let stat = match fs::read(folder.join("stat")) {
            Ok(text) => ProcessStat::parse(&String::from_utf8_lossy(&text), self.tick),
            Err(error) => return self.note_denied(&error, &folder),
        };
        // Another process by that number: this one has gone, or procfs is that of another pid namespace.
        let Some(stat) = stat.filter(|stat| stat.started_at(consumer.start, self.tick)) else { return };
        if names.consumer(&consumer).is_none() {
            names.name(consumer, stat.parent, stat.comm, stat.kernel_thread);
        }
        if stat.kernel_thread {
            return;
        }
        // A path given to execve may be relative, or /proc/self/exe; the link says what was run in the end.
        if names.exe(&consumer).is_none_or(|known| !known.starts_with('/') || known.starts_with("/proc/")) {
            match fs::read_link(folder.join("exe")) {
                Ok(target) => {
                    names.set_exe(consumer.pid, consumer.start, without_deleted(&target.to_string_lossy()).into());
                }
                Err(error) => self.note_denied(&error, &folder),
            }
        }
        if self.v1 {
            self.read_v1_group(consumer, &folder, names);
        }
    }

    fn note_denied(&mut self, error: &io::Error, folder: &Path) {
        if error.kind() != io::ErrorKind::PermissionDenied {
            return;
        }
        self.denied += 1;
        let folder = folder.display();
        if self.denied <= FEW {
            tracing::debug!("{folder} may not be read: this process has no program path in the exports");
            return;
        }
        NO_ACCESS.warn(format_args!(
            "{} processes' files may not be read so far, the latest {folder}: they have no program path in the exports \
             unless they were started after the agent; grant CAP_SYS_PTRACE",
            self.denied
        ));
    }

    fn read_v1_group(&mut self, consumer: ConsumerId, folder: &Path, names: &mut Names) {
        let Ok(text) = fs::read_to_string(folder.join("cgroup")) else { return };
        let Some(path) = cgroup_v1::deepest_path(&text) else { return };
        let in_v2_container = || names.cgroup(consumer.cgroup).is_some_and(|name| name.container.is_some());
        let tells_more = container_of(path).is_some() && !in_v2_container();
        if consumer.cgroup == CgroupId::ROOT || tells_more {
            let group = names.v1_group(path);
            names.set_group(&consumer, group);
            self.v1_group_of.insert(consumer.pid, group);
        }
    }
}

/// A process begins in its parent's group, and most live too short to be read.
fn inherit_v1_group(consumer: ConsumerId, group_of: &mut FxHashMap<Pid, CgroupId>, names: &mut Names) {
    let parent = names.consumer(&consumer).map(|name| name.parent);
    if let Some(&group) = parent.and_then(|parent| group_of.get(&parent)) {
        names.set_group(&consumer, group);
        group_of.insert(consumer.pid, group);
    }
}

/// The kernel marks the path of a file that has been removed (`fs/d_path.c`).
fn without_deleted(path: &str) -> &str {
    path.strip_suffix(" (deleted)").unwrap_or(path)
}

#[cfg(test)]
#[path = "process_files_test.rs"]
mod tests;
