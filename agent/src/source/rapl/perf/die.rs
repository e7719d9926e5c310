//! The counters of one package or die.

use std::io;
use std::path::Path;

use crate::kernel::perf_event::CounterGroup;
use crate::source::SourceEnd;
use crate::units::Microjoules;

use super::discover::{Pmu, Reader};

/// The counters that are read through one CPU.
#[derive(Debug)]
pub(super) struct Die {
    pub(super) reader: Reader,
    /// Whether the PMU lists it now.
    pub(super) present: bool,
    /// `None` while it is not open.
    group: Option<CounterGroup>,
    /// What it had counted, by event, before it was opened this time.
    before: Vec<Microjoules>,
    /// What it shows, by event; `None` while it cannot be read.
    shows: Vec<Option<Microjoules>>,
}

impl Die {
    pub(super) fn new(reader: Reader, events: usize) -> Self {
        Self { reader, present: true, group: None, before: vec![Microjoules::ZERO; events], shows: vec![None; events] }
    }

    pub(super) fn is_open(&self) -> bool {
        self.group.is_some()
    }

    pub(super) fn shows(&self, event: usize) -> Option<Microjoules> {
        self.shows[event]
    }

    /// Opens the counters; they go on from what they had counted.
    pub(super) fn open(&mut self, pmu: &Pmu) -> io::Result<()> {
        let codes: Vec<u64> = pmu.events.iter().map(|event| event.code).collect();
        self.group = Some(CounterGroup::open(self.reader.cpu, pmu.pmu_type, &codes)?);
        Ok(())
    }

    /// Keeps what was counted and closes the counters.
    pub(super) fn close(&mut self) {
        self.group = None;
        for (before, shows) in self.before.iter_mut().zip(&mut self.shows) {
            *before = shows.take().unwrap_or(*before);
        }
    }

    /// Reads the counters, `counts` being room to do it in. Counters that fail are closed.
    pub(super) fn read(&mut self, pmu: &Pmu, counts: &mut Vec<u64>) -> io::Result<()> {
        let Some(group) = &self.group else { return Ok(()) };
        if let Err(error) = group.read(counts) {
            self.close();
            return Err(error);
        }
        for (index, (event, count)) in pmu.events.iter().zip(counts).enumerate() {
            let shown = self.before[index].0.saturating_add(event.scale.energy(*count).0);
            self.shows[index] = Some(Microjoules(shown));
        }
        Ok(())
    }
}

/// What the kernel's answer to `perf_event_open` means for a user.
pub(super) fn opening_failed(error: &io::Error, cpu: u32, procfs: &Path) -> SourceEnd {
    match error.raw_os_error() {
        Some(libc::EACCES | libc::EPERM) => {
            let paranoid = std::fs::read_to_string(procfs.join("sys/kernel/perf_event_paranoid"));
            let paranoid = paranoid.map_or_else(|_| "unknown".to_owned(), |text| text.trim().to_owned());
            SourceEnd::Fatal(format!(
                "no permission to open RAPL's counters through perf ({error}): grant CAP_PERFMON (CAP_SYS_ADMIN before \
                 Linux 5.8), or set kernel.perf_event_paranoid to 0 (it is {paranoid}); in a container, its seccomp \
                 profile must allow perf_event_open"
            ))
        }
        Some(libc::ENOSYS) => SourceEnd::Fatal("this kernel was built without perf events (CONFIG_PERF_EVENTS)".into()),
        Some(libc::ENOENT | libc::EINVAL | libc::EOPNOTSUPP) => {
            SourceEnd::Fatal(format!("the kernel refuses the events that its PMU 'power' lists, on CPU {cpu}: {error}"))
        }
        Some(libc::EMFILE | libc::ENFILE) => SourceEnd::Retry(format!(
            "no file descriptor left for RAPL's counters ({error}): raise the limit (ulimit -n)"
        )),
        _ => SourceEnd::Retry(format!("RAPL's counters cannot be opened on CPU {cpu} now: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(errno: i32) -> String {
        opening_failed(&io::Error::from_raw_os_error(errno), 3, Path::new("/nonexistent")).to_string()
    }

    #[test]
    fn each_failure_names_its_fix() {
        assert!(message(libc::EACCES).contains("CAP_PERFMON"));
        assert!(message(libc::EPERM).contains("perf_event_paranoid"));
        assert!(message(libc::ENOSYS).contains("CONFIG_PERF_EVENTS"));
        assert!(message(libc::EMFILE).contains("ulimit -n"));
    }

    #[test]
    fn a_cpu_that_is_offline_is_tried_again() {
        let end = opening_failed(&io::Error::from_raw_os_error(libc::ENODEV), 3, Path::new("/nonexistent"));
        assert!(matches!(end, SourceEnd::Retry(_)), "{end}");
    }
}
