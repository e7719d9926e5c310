//! A cgroup of a test's own.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result};
use rustix::process::{Pid, Signal, kill_process};

use crate::wait_until;

/// How long ended processes may take to leave their cgroup.
const REMOVAL_LIMIT: Duration = Duration::from_secs(5);

/// Where the hierarchy of cgroup version 2 is mounted on this machine.
///
/// # Errors
/// When it is not.
pub fn cgroup2_mount() -> Result<PathBuf> {
    mounts(&mountinfo()?, &["cgroup2"])
        .next()
        .context("no cgroup v2 hierarchy is mounted: `mount -t cgroup2 none /sys/fs/cgroup/unified`")
}

/// Where the hierarchies of both versions are mounted.
///
/// # Errors
/// When the kernel does not tell.
pub(crate) fn cgroup_mounts() -> Result<Vec<PathBuf>> {
    Ok(mounts(&mountinfo()?, &["cgroup", "cgroup2"]).collect())
}

fn mountinfo() -> Result<String> {
    fs::read_to_string("/proc/self/mountinfo").context("cannot read /proc/self/mountinfo")
}

/// Mounts of these types. Fields of a line are as in `proc_pid_mountinfo(5)`: the fifth is the mount point, and the type
/// follows ` - `.
fn mounts(mountinfo: &str, types: &[&str]) -> impl Iterator<Item = PathBuf> {
    mountinfo.lines().filter_map(move |line| {
        let (mount, filesystem) = line.split_once(" - ")?;
        let is_wanted = types.contains(&filesystem.split(' ').next()?);
        is_wanted.then(|| mount.split(' ').nth(4))?.map(|point| point.replace("\\040", " ").into())
    })
}

/// A cgroup's folder in the hierarchy of version 2, which somebody else makes and removes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CgroupFolder(PathBuf);

impl CgroupFolder {
    /// Of the cgroup with this path in the hierarchy.
    ///
    /// # Errors
    /// When no such hierarchy is mounted.
    pub fn at(path: &str) -> Result<Self> {
        Ok(Self(cgroup2_mount()?.join(path.trim_start_matches('/'))))
    }

    /// Whether no process is in it nor below it.
    ///
    /// # Errors
    /// When it is not there.
    pub fn is_empty(&self) -> io::Result<bool> {
        Ok(fs::read_to_string(self.0.join("cgroup.events"))?.contains("populated 0"))
    }

    /// The CPU time its processes have used, by the kernel's own count: `usage_usec` in `cpu.stat`, to the
    /// microsecond.
    ///
    /// # Errors
    /// When the kernel does not count it.
    pub fn usage(&self) -> Result<Duration> {
        let file = self.0.join("cpu.stat");
        let stat = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        usage(&stat).with_context(|| format!("no usage_usec in {}", file.display()))
    }
}

/// A cgroup right under the root of the hierarchy. It is removed when it is dropped; processes that are still in it
/// (all of them a test's own) are killed then.
#[derive(Debug)]
pub struct TestCgroup {
    path: PathBuf,
    parent: PathBuf,
}

impl TestCgroup {
    /// Makes one whose name begins with `prony-test-` and `name`, and is like no other's.
    ///
    /// # Errors
    /// When this process may not make cgroups; see [`crate::needs_root`].
    pub fn new(name: &str) -> Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let parent = cgroup2_mount()?;
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = parent.join(format!("prony-test-{name}-{}-{number}", std::process::id()));
        fs::create_dir(&path).with_context(|| format!("cannot make {}: run as root", path.display()))?;
        Ok(Self { path, parent })
    }

    /// Makes one that is called like that of a container of Docker's with this id.
    ///
    /// # Errors
    /// When this process may not make cgroups, or the id is taken.
    pub fn container(id: &str) -> Result<Self> {
        let parent = cgroup2_mount()?;
        let path = parent.join(format!("docker-{id}.scope"));
        fs::create_dir(&path).with_context(|| format!("cannot make {}: run as root", path.display()))?;
        Ok(Self { path, parent })
    }

    /// Its folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its path in the hierarchy, with a slash at its beginning, as `/proc/PID/cgroup` has it on a machine where this
    /// hierarchy is not namespaced.
    pub fn name(&self) -> String {
        format!("/{}", self.path.file_name().unwrap_or_default().to_string_lossy())
    }

    /// Its number, as `bpf_get_current_cgroup_id` returns it: the folder's inode.
    ///
    /// # Errors
    /// When the folder is gone.
    pub fn id(&self) -> io::Result<u64> {
        Ok(fs::metadata(&self.path)?.ino())
    }

    /// Moves a process into it, with all its threads.
    ///
    /// # Errors
    /// When the process has ended.
    pub fn add(&self, pid: u32) -> io::Result<()> {
        fs::write(self.path.join("cgroup.procs"), pid.to_string())
    }

    /// A command that is in this cgroup from before its first instruction (a shell moves itself there, then becomes
    /// the program). Arguments and the rest are set as on any command.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", r#"echo $$ > "$0" && exec "$@""#]).arg(self.path.join("cgroup.procs")).arg(program);
        command
    }

    /// As [`CgroupFolder::usage`].
    ///
    /// # Errors
    /// When the kernel does not count it.
    pub fn usage(&self) -> Result<Duration> {
        CgroupFolder(self.path.clone()).usage()
    }

    /// The processes in it.
    ///
    /// # Errors
    /// When the folder is gone.
    pub fn processes(&self) -> io::Result<Vec<u32>> {
        let list = fs::read_to_string(self.path.join("cgroup.procs"))?;
        Ok(list.lines().filter_map(|pid| pid.parse().ok()).collect())
    }

    fn empty(&self) {
        for process in self.processes().unwrap_or_default() {
            if process == std::process::id() {
                // The test moved itself here. A failure shows when the cgroup cannot be removed.
                let _ = fs::write(self.parent.join("cgroup.procs"), process.to_string());
            } else if let Some(process) = i32::try_from(process).ok().and_then(Pid::from_raw) {
                // It may have ended meanwhile.
                let _ = kill_process(process, Signal::KILL);
            }
        }
    }
}

impl Drop for TestCgroup {
    fn drop(&mut self) {
        let removed = wait_until(REMOVAL_LIMIT, || {
            self.empty();
            fs::remove_dir(&self.path).ok()
        });
        if removed.is_none() {
            eprintln!("cannot remove {}: remove it with rmdir", self.path.display());
        }
    }
}

fn usage(stat: &str) -> Option<Duration> {
    let value = stat.lines().find_map(|line| line.strip_prefix("usage_usec "))?;
    value.trim().parse().ok().map(Duration::from_micros)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{needs_root, skip};

    #[test]
    fn finds_the_hierarchy_in_unified_and_hybrid_mode() {
        let hybrid = "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n\
                      32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu\n\
                      41 31 0:38 / /sys/fs/cgroup/unified rw,relatime shared:9 - cgroup2 cgroup2 rw\n";
        let find_cgroup2 = |mountinfo| mounts(mountinfo, &["cgroup2"]).next();
        assert_eq!(find_cgroup2(hybrid), Some(PathBuf::from("/sys/fs/cgroup/unified")));
        assert_eq!(mounts(hybrid, &["cgroup", "cgroup2"]).count(), 2);
        let unified = "29 23 0:26 / /my\\040cgroups rw - cgroup2 cgroup2 rw\n";
        assert_eq!(find_cgroup2(unified), Some(PathBuf::from("/my cgroups")));
        assert_eq!(find_cgroup2("32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"), None);
    }

    #[test]
    fn reads_the_kernels_count() {
        assert_eq!(usage("usage_usec 1500\nuser_usec 1000\n"), Some(Duration::from_micros(1500)));
        assert_eq!(usage("user_usec 1000\n"), None);
    }

    #[test]
    fn a_cgroup_counts_what_runs_in_it_and_goes_away_with_it() {
        if let Some(reason) = needs_root() {
            return skip("cgroup::tests::a_cgroup_counts_what_runs_in_it_and_goes_away_with_it", &reason);
        }
        let group = TestCgroup::new("helper").unwrap();
        let path = group.path().to_owned();
        assert_eq!(group.id().unwrap(), fs::metadata(&path).unwrap().ino());

        let counted =
            group.command("/bin/sh").args(["-c", "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done"]).status();
        assert!(counted.unwrap().success());
        assert!(group.usage().unwrap() > Duration::ZERO);

        let mut left = Command::new("sleep").arg("600").spawn().unwrap();
        group.add(left.id()).unwrap();
        assert_eq!(group.processes().unwrap(), [left.id()]);
        drop(group);
        assert!(!path.exists());
        assert!(!left.wait().unwrap().success(), "what was left in it was killed");
    }
}
