//! What the simulated machine draws: by this machine's real load, or by a recorded trace.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};

use crate::cli::cpu_ticks::CpuTicks;
use crate::units::{Nanoseconds, Watts};

/// How often the load is read.
const LOAD_INTERVAL: Nanoseconds = Nanoseconds(100_000_000);

/// A source of power figures.
#[derive(Debug)]
pub enum PowerSource {
    /// Follows `/proc/stat`.
    Load(CpuLoad),
    /// Follows a file.
    Trace(PowerTrace),
}

impl PowerSource {
    /// The power at a time since the start. Times do not go back.
    pub fn at(&mut self, elapsed: Nanoseconds) -> Watts {
        match self {
            Self::Load(load) => load.at(elapsed),
            Self::Trace(trace) => trace.at(elapsed),
        }
    }
}

/// Power between two values by how busy the processors are.
#[derive(Debug)]
pub struct CpuLoad {
    stat: PathBuf,
    idle: Watts,
    max: Watts,
    ticks: Option<CpuTicks>,
    read_at: Option<Nanoseconds>,
    power: Watts,
}

impl CpuLoad {
    /// `procfs` is where it is mounted.
    pub fn new(procfs: &Path, idle: Watts, max: Watts) -> Self {
        Self { stat: procfs.join("stat"), idle, max, ticks: None, read_at: None, power: idle }
    }

    fn at(&mut self, elapsed: Nanoseconds) -> Watts {
        if self.read_at.is_some_and(|read| elapsed.saturating_sub(read) < LOAD_INTERVAL) {
            return self.power;
        }
        self.read_at = Some(elapsed);
        // An unreadable file leaves the power where it was.
        let Some(ticks) = std::fs::read_to_string(&self.stat).ok().and_then(|text| CpuTicks::parse(&text)) else {
            return self.power;
        };
        if let Some(load) = self.ticks.and_then(|earlier| ticks.busy_since(earlier)) {
            self.power = Watts(self.idle.0 + (self.max.0 - self.idle.0) * load);
        }
        self.ticks = Some(ticks);
        self.power
    }
}

/// A power trace: each value holds until the next, and after the last it begins again.
#[derive(Clone, Debug, PartialEq)]
pub struct PowerTrace {
    points: Vec<(Nanoseconds, Watts)>,
}

impl PowerTrace {
    /// Reads a file of `seconds,watts` lines.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let text =
            std::fs::read_to_string(path).with_context(|| format!("cannot read the trace {}", path.display()))?;
        Self::parse(&text).with_context(|| format!("{} is no power trace", path.display()))
    }

    /// Reads `seconds,watts` lines. Empty lines, `#` comments and a header are skipped.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let mut points = Vec::<(Nanoseconds, Watts)>::new();
        for (number, line) in (1..).zip(text.lines().map(str::trim)) {
            if line.is_empty() || line.starts_with('#') || (points.is_empty() && line == "seconds,watts") {
                continue;
            }
            let values = line.split_once(',').and_then(|(seconds, watts)| {
                Some((seconds.trim().parse::<f64>().ok()?, watts.trim().parse::<f64>().ok()?))
            });
            let Some((seconds, watts)) = values.filter(|(seconds, watts)| *seconds >= 0.0 && watts.is_finite()) else {
                bail!("line {number} is '{line}': write seconds,watts, for example 12.5,3.75");
            };
            let at = Nanoseconds::from_seconds(seconds);
            ensure!(points.last().is_none_or(|last| last.0 < at), "line {number} goes back in time");
            points.push((at, Watts(watts)));
        }
        ensure!(!points.is_empty(), "it is empty: write lines of seconds,watts");
        Ok(Self { points })
    }

    /// The power at a time since the start.
    pub fn at(&self, elapsed: Nanoseconds) -> Watts {
        let length = self.points.last().map_or(0, |last| last.0.0).max(1);
        let within = if self.points.len() > 1 { Nanoseconds(elapsed.0 % length) } else { Nanoseconds::ZERO };
        let next = self.points.partition_point(|point| point.0 <= within);
        self.points[next.saturating_sub(1)].1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(seconds: u64) -> Nanoseconds {
        Nanoseconds::from_millis(seconds * 1_000)
    }

    #[test]
    fn a_trace_holds_each_value_and_begins_again() {
        let trace = PowerTrace::parse("seconds,watts\n# warm-up\n0,2.5\n10,7\n\n20,2.5\n").unwrap();
        let at = |second| trace.at(seconds(second)).0.to_string();
        assert_eq!([at(0), at(9), at(10), at(19), at(20), at(30)], ["2.5", "2.5", "7", "7", "2.5", "7"]);
        assert_eq!(PowerTrace::parse("0,4").unwrap().at(seconds(99)), Watts(4.0));
    }

    #[test]
    fn a_bad_trace_names_its_line() {
        let message = |text| format!("{:#}", PowerTrace::parse(text).unwrap_err());
        assert!(message("0,1\n1;2").contains("line 2"));
        assert!(message("0,1\n5,1\n4,1").contains("line 3"));
        assert!(message("0,NaN").contains("line 1"));
        assert!(message("").contains("empty"));
    }

    #[test]
    fn power_follows_the_load() {
        let root = tempfile::tempdir().unwrap();
        let write = |line: &str| std::fs::write(root.path().join("stat"), line).unwrap();
        write("cpu  100 0 0 900 0 0 0 0 0 0\ncpu0 1 2\n");
        let mut load = CpuLoad::new(root.path(), Watts(2.0), Watts(10.0));
        assert_eq!(load.at(seconds(0)), Watts(2.0));
        write("cpu  150 0 0 950 0 0 0 0 0 0\n");
        assert_eq!(load.at(seconds(1)), Watts(6.0));
        write("nonsense");
        assert_eq!(load.at(seconds(2)), Watts(6.0));
    }
}
