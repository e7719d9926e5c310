//! What the kernel has measured of the programs' run time.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use aya::programs::Program;

use crate::units::Nanoseconds;

/// The switch program's own statistics, which the kernel keeps while `kernel.bpf_stats_enabled` is 1.
#[derive(Debug)]
pub struct ProgramCost {
    program: Option<OwnedFd>,
}

/// How long a program has run, as far as the kernel counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RunTime {
    /// Total run time.
    pub total: Nanoseconds,
    /// Number of runs.
    pub runs: u64,
}

impl ProgramCost {
    /// Of a loaded program; of none, nothing is known.
    pub fn of(program: Option<&Program>) -> Self {
        let program = program.and_then(|program| program.fd().ok()?.as_fd().try_clone_to_owned().ok());
        Self { program }
    }

    /// The statistics so far; `None` where the kernel keeps none.
    pub fn read(&self) -> Option<RunTime> {
        let program = self.program.as_ref()?;
        let text = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", program.as_raw_fd())).ok()?;
        parse(&text).filter(|time| time.runs > 0)
    }
}

fn parse(fdinfo: &str) -> Option<RunTime> {
    let value = |name: &str| {
        fdinfo.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')?.trim().parse::<u64>().ok())
    };
    Some(RunTime { total: Nanoseconds(value("run_time_ns")?), runs: value("run_cnt")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_are_read_from_the_descriptor() {
        let fdinfo = "pos:\t0\nprog_type:\t26\nrun_time_ns:\t81236\nrun_cnt:\t950\n";
        assert_eq!(parse(fdinfo), Some(RunTime { total: Nanoseconds(81_236), runs: 950 }));
        assert_eq!(parse("pos:\t0\n"), None);
    }
}
