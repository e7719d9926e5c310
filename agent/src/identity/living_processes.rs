//! Which processes still run, as `/proc` tells it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::activity::{Comm, Pid};
use crate::units::Nanoseconds;

use super::process_stat::{ProcessStat, clock_tick};

/// The thread of the kernel that starts all others. It is the second task that the kernel makes (`rest_init`,
/// init/main.c), and in no pid namespace but the first.
const KTHREADD: Pid = Pid(2);

/// Reader of `/proc/PID/stat`.
#[derive(Debug)]
pub struct LivingProcesses {
    procfs: PathBuf,
    tick: Nanoseconds,
}

impl LivingProcesses {
    /// A reader below `procfs`.
    pub fn open(procfs: &Path) -> Self {
        Self { procfs: procfs.to_owned(), tick: clock_tick() }
    }

    /// Whether a process that is not found is not there. That is so in the first pid namespace, whose numbers are those
    /// of the kernel side, and where processes of others are not hidden (`hidepid`); then the kernel's own thread 2 is
    /// found.
    pub fn tells_of_all(&self) -> bool {
        let found = self.read(KTHREADD).ok().flatten();
        found.is_some_and(|stat| stat.kernel_thread && stat.comm == Comm::new("kthreadd"))
    }

    /// Whether the process that was started at `start` (on the boot clock; zero where that is not known) may still run.
    /// What cannot be read may.
    pub fn may_run(&self, pid: Pid, start: Nanoseconds) -> bool {
        match self.read(pid) {
            Ok(Some(now)) => !now.dead && now.started_at(start, self.tick),
            Ok(None) => true,
            Err(error) => error.kind() != io::ErrorKind::NotFound && error.raw_os_error() != Some(libc::ESRCH),
        }
    }

    fn read(&self, pid: Pid) -> io::Result<Option<ProcessStat>> {
        let text = fs::read(self.procfs.join(pid.to_string()).join("stat"))?;
        Ok(ProcessStat::parse(&String::from_utf8_lossy(&text), self.tick))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOOT: Nanoseconds = Nanoseconds(1_898_540_000_000);

    fn processes(stats: &[(u32, &str)]) -> (tempfile::TempDir, LivingProcesses) {
        let root = tempfile::tempdir().unwrap();
        for (pid, stat) in stats {
            let folder = root.path().join(pid.to_string());
            fs::create_dir(&folder).unwrap();
            fs::write(folder.join("stat"), stat).unwrap();
        }
        let living = LivingProcesses { procfs: root.path().to_owned(), tick: Nanoseconds::from_millis(10) };
        (root, living)
    }

    fn stat(state: char, threads: u32) -> String {
        format!("7 (a) {state} 1 1 1 0 -1 4194304 0 0 0 0 0 0 0 0 20 0 {threads} 0 189854 0 0\n")
    }

    #[test]
    fn a_process_runs_until_it_is_gone_or_dead_or_another_one() {
        let (root, living) = processes(&[(7, &stat('S', 1)), (8, &stat('Z', 1)), (9, &stat('Z', 3))]);
        assert!(living.may_run(Pid(7), BOOT));
        assert!(living.may_run(Pid(7), Nanoseconds::ZERO));
        assert!(!living.may_run(Pid(7), BOOT + Nanoseconds::SECOND), "the number was used again");
        assert!(!living.may_run(Pid(8), BOOT), "it waits for its parent only");
        assert!(living.may_run(Pid(9), BOOT), "its first thread has ended, and others run");
        assert!(!living.may_run(Pid(10), BOOT));
        fs::write(root.path().join("7/stat"), "nonsense").unwrap();
        assert!(living.may_run(Pid(7), BOOT));
    }

    #[test]
    fn only_the_first_pid_namespace_tells_of_all() {
        let kthreadd = "2 (kthreadd) S 0 0 0 0 -1 2129984 0 0 0 0 0 0 0 0 20 0 1 0 1 0 0\n";
        let sleep = "2 (kthreadd) S 1 1 1 0 -1 4194304 0 0 0 0 0 0 0 0 20 0 1 0 1 0 0\n";
        assert!(processes(&[(2, kthreadd)]).1.tells_of_all());
        assert!(!processes(&[(2, sleep)]).1.tells_of_all());
        assert!(!processes(&[]).1.tells_of_all());
    }
}
