//! Whether anybody else is busy.

use std::fmt;
use std::fs::{self, File};
use std::path::Path;

use anyhow::Context as _;
use procfs::FromRead as _;
use procfs::process::Stat;
use rustc_hash::FxHashMap;

use crate::cli::cpu_ticks::CpuTicks;

/// How many of them are named.
const NAMED: usize = 3;

/// Clock ticks that were used so far: by all, and by each process that is there.
#[derive(Debug)]
pub(super) struct UsedTicks {
    all: CpuTicks,
    processes: FxHashMap<i32, (String, u64)>,
}

/// Who used how many CPUs over a time.
#[derive(Debug, PartialEq)]
pub(super) struct Others {
    /// All of them.
    pub(super) cpus: f64,
    /// Out of so many.
    pub(super) of: usize,
    /// Those who used most: pid, name and CPUs.
    most: Vec<(i32, String, f64)>,
}

impl UsedTicks {
    /// As procfs has it now.
    pub(super) fn read(procfs: &Path) -> anyhow::Result<Self> {
        let path = procfs.join("stat");
        let hint =
            || format!("{} does not say how busy CPUs are: mount procfs there, or set host.procfs", path.display());
        let all = CpuTicks::parse(&fs::read_to_string(&path).with_context(hint)?).with_context(hint)?;
        let folders = fs::read_dir(procfs).with_context(hint)?.filter_map(Result::ok);
        // What is no process, or has just ended, is left out.
        let stats = folders.filter_map(|folder| {
            folder.file_name().to_str()?.parse::<i32>().ok()?;
            Stat::from_read(File::open(folder.path().join("stat")).ok()?).ok()
        });
        Ok(Self { all, processes: stats.map(|stat| (stat.pid, (stat.comm, stat.utime + stat.stime))).collect() })
    }

    /// Who but the process `own` used how many of `cpus` CPUs since then.
    pub(super) fn since(&self, earlier: &Self, cpus: usize, own: u32) -> Others {
        let ticks_of_one = self.all.since(earlier.all) as f64 / cpus as f64;
        let mut most: Vec<_> = self
            .processes
            .iter()
            .filter(|(pid, _)| u32::try_from(**pid) != Ok(own))
            .map(|(pid, (name, ticks))| {
                let before = earlier.processes.get(pid).map_or(0, |(_, ticks)| *ticks);
                (*pid, name.clone(), ticks.saturating_sub(before))
            })
            .filter(|(_, _, ticks)| *ticks > 0)
            .collect();
        most.sort_unstable_by_key(|(pid, _, ticks)| (std::cmp::Reverse(*ticks), *pid));
        most.truncate(NAMED);
        Others {
            cpus: self.all.busy_since(earlier.all).unwrap_or_default() * cpus as f64,
            of: cpus,
            most: most.into_iter().map(|(pid, name, ticks)| (pid, name, ticks as f64 / ticks_of_one)).collect(),
        }
    }
}

impl Others {
    /// Whether the machine is as good as idle: 5 % of its CPUs are busy, or a tenth of one where these are few, and never
    /// more than one.
    pub(super) fn are_quiet(&self) -> bool {
        self.cpus <= (0.05 * self.of as f64).clamp(0.1, 1.0)
    }
}

impl fmt::Display for Others {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:.2} of {} CPUs are busy", self.cpus, self.of)?;
        let most: Vec<_> = self.most.iter().map(|(pid, name, cpus)| format!("{name} (pid {pid}) {cpus:.2}")).collect();
        if most.is_empty() { Ok(()) } else { write!(out, ", most of all by {}", most.join(", ")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `busy` and `idle` ticks of the machine, and the ticks of processes.
    fn machine(busy: u64, idle: u64, processes: &[(i32, &str, u64)]) -> UsedTicks {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("stat"), format!("cpu  {busy} 0 0 {idle} 0 0 0 0 0 0\ncpu0 1 2\n")).unwrap();
        for (pid, name, ticks) in processes {
            let folder = root.path().join(pid.to_string());
            fs::create_dir(&folder).unwrap();
            let stat = format!("{pid} ({name}) S 1 1 1 0 -1 0 0 0 0 0 {ticks} 0 0 0 20 0 1 0 5{}\n", " 0".repeat(30));
            fs::write(folder.join("stat"), stat).unwrap();
        }
        fs::create_dir(root.path().join("7")).unwrap();
        UsedTicks::read(root.path()).unwrap()
    }

    #[test]
    fn those_who_are_busy_are_named() {
        let earlier = machine(1_000, 1_000, &[(1, "init", 50), (20, "a (b) c", 10), (30, "own", 0)]);
        let later = machine(1_150, 1_250, &[(1, "init", 50), (20, "a (b) c", 110), (30, "own", 20), (40, "new", 30)]);
        let others = later.since(&earlier, 4, 30);
        assert!((others.cpus - 1.5).abs() < 1e-9 && !others.are_quiet());
        assert_eq!(
            others.to_string(),
            "1.50 of 4 CPUs are busy, most of all by a (b) c (pid 20) 1.00, new (pid 40) 0.30"
        );
    }

    #[test]
    fn a_machine_is_never_quite_idle() {
        let quiet = |cpus, of| Others { cpus, of, most: Vec::new() }.are_quiet();
        assert!(quiet(0.1, 1) && !quiet(0.11, 2));
        assert!(quiet(0.8, 16) && !quiet(0.9, 16));
        assert!(quiet(1.0, 256) && !quiet(1.1, 256));
        let still = machine(5, 5, &[]);
        assert!(still.since(&still, 2, 1).are_quiet(), "no time went by");
    }

    #[test]
    fn a_procfs_without_figures_is_an_error() {
        let error = UsedTicks::read(Path::new("/nonexistent")).unwrap_err();
        assert!(error.to_string().contains("host.procfs"), "{error}");
    }
}
