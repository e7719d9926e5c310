//! Which of the kernel's RAPL interfaces is used.

use std::thread;
use std::time::Duration;

use crate::config::{RaplConfig, RaplInterface};
use crate::host::HostRoots;
use crate::source::{SampledSource, SourceEnd, Zone};

use super::perf::RaplPerf;
use super::powercap::RaplPowercap;

/// How long perf's counters may stand still after they were opened: RAPL is updated every 0.976 ms, but a virtual
/// machine's host may do so more slowly, and may answer with a constant for ever.
const STANDSTILL: Duration = Duration::from_millis(300);
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// One interface that was tried.
#[derive(Debug)]
pub struct Tried {
    /// `perf` or `powercap`.
    pub interface: &'static str,
    /// The zones that it has, or why it is not used and what to do.
    pub outcome: Result<Vec<Zone>, SourceEnd>,
}

/// What came of looking for RAPL.
pub struct Choice {
    /// The source, if there is one.
    pub source: Option<Box<dyn SampledSource>>,
    /// What was tried, in that order. The last one is the source, if there is one.
    pub tried: Vec<Tried>,
}

/// Opens the configured interface, or for `auto` the first of perf and powercap that works. Looks at perf's counters
/// for up to 300 ms. Nothing is tried for `off`.
pub fn choose(config: &RaplConfig, roots: &HostRoots) -> Choice {
    let (perf, powercap) = match config.interface {
        RaplInterface::Auto => (true, true),
        RaplInterface::Perf => (true, false),
        RaplInterface::Powercap => (false, true),
        RaplInterface::Off => (false, false),
    };
    let mut choice = Choice { source: None, tried: Vec::new() };
    if perf {
        choice.take("perf", open_perf(roots).map(|source| (source.zones(), Box::new(source) as _)));
    }
    if powercap && choice.source.is_none() {
        choice.take("powercap", RaplPowercap::open(roots).map(|source| (source.zones(), Box::new(source) as _)));
    }
    choice
}

impl Choice {
    fn take(&mut self, interface: &'static str, opened: Result<(Vec<Zone>, Box<dyn SampledSource>), SourceEnd>) {
        let outcome = opened.map(|(zones, source)| {
            self.source = Some(source);
            zones
        });
        self.tried.push(Tried { interface, outcome });
    }

    /// Why there is no source, in one text; empty if there is one or none is wanted.
    pub fn why_none(&self) -> String {
        if self.source.is_some() {
            return String::new();
        }
        let reasons = self.tried.iter().filter_map(|tried| {
            let end = tried.outcome.as_ref().err()?;
            Some(format!("{}: {end}", tried.interface))
        });
        reasons.collect::<Vec<_>>().join("; ")
    }

    /// Whether looking again later may find a source: one of those tried failed only for now.
    pub fn may_come(&self) -> bool {
        self.source.is_none() && self.tried.iter().any(|tried| matches!(tried.outcome, Err(SourceEnd::Retry(_))))
    }
}

/// Opens perf's counters and sees to it that they count.
fn open_perf(roots: &HostRoots) -> Result<RaplPerf, SourceEnd> {
    let mut source = RaplPerf::open(roots)?;
    for _ in 0..STANDSTILL.as_millis() / LOOK_EVERY.as_millis() {
        if source.has_counted() {
            return Ok(source);
        }
        thread::sleep(LOOK_EVERY);
    }
    Err(SourceEnd::Fatal(
        "the kernel opens RAPL's counters but they stand still: this is a virtual machine whose host does not pass them \
         on"
        .into(),
    ))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn with_powercap() -> (tempfile::TempDir, HostRoots) {
        let root = tempfile::tempdir().expect("tempdir");
        let zone = root.path().join("class/powercap/intel-rapl:0");
        fs::create_dir_all(&zone).expect("zone");
        fs::create_dir(root.path().join("bus")).expect("bus");
        fs::write(zone.join("name"), "package-0\n").expect("name");
        fs::write(zone.join("energy_uj"), "5\n").expect("energy");
        let roots = HostRoots { sysfs: root.path().into(), procfs: root.path().into(), cgroupfs: None };
        (root, roots)
    }

    #[test]
    fn auto_falls_through_to_powercap_and_says_why() {
        let (_root, roots) = with_powercap();
        let choice = choose(&RaplConfig { interface: RaplInterface::Auto }, &roots);
        assert_eq!(choice.source.as_ref().map(|source| source.id().to_string()).as_deref(), Some("rapl-powercap"));
        let [perf, powercap] = &choice.tried[..] else { panic!("two tried") };
        assert!(perf.outcome.as_ref().expect_err("no PMU").to_string().contains("modprobe rapl"));
        assert_eq!(powercap.outcome.as_ref().expect("zones").len(), 1);
        assert_eq!(choice.why_none(), "");
    }

    #[test]
    fn what_is_configured_is_not_replaced_by_something_else() {
        let (_root, roots) = with_powercap();
        let choice = choose(&RaplConfig { interface: RaplInterface::Perf }, &roots);
        assert!(choice.source.is_none());
        assert!(choice.why_none().starts_with("perf: no PMU 'power'"), "{}", choice.why_none());
        assert!(!choice.may_come());
        assert!(choose(&RaplConfig { interface: RaplInterface::Off }, &roots).tried.is_empty());
    }
}
