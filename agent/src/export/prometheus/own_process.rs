//! What the agent itself costs, under the names that every Prometheus client uses.

use procfs::process::{LimitValue, Process};
use rustix::time::{ClockId, clock_gettime};

use crate::units::Nanoseconds;

use super::exposition::{Exposition, Value};
use super::family::Family;
use super::table;

/// The agent's own cost; what could not be read is `None` and has no series.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::export) struct OwnProcess {
    pub(in crate::export) cpu: Nanoseconds,
    pub(in crate::export) resident_bytes: Option<u64>,
    pub(super) virtual_bytes: Option<u64>,
    pub(super) open_fds: Option<u64>,
    pub(super) max_fds: Option<u64>,
    pub(super) threads: Option<u64>,
    /// Since the Unix epoch.
    pub(super) started: Option<Nanoseconds>,
}

impl OwnProcess {
    /// Reads it now, from this process's own `/proc/self` whatever root is configured for the machine's files.
    pub(in crate::export) fn read() -> Self {
        let cpu = Self::cpu();
        let Ok(process) = Process::myself() else { return Self { cpu, ..Self::default() } };
        let stat = process.stat().ok();
        Self {
            cpu,
            resident_bytes: stat.as_ref().map(|stat| stat.rss * procfs::page_size()),
            virtual_bytes: stat.as_ref().map(|stat| stat.vsize),
            open_fds: process.fd_count().ok().map(|count| count as u64),
            max_fds: process.limits().ok().and_then(|limits| match limits.max_open_files.soft_limit {
                LimitValue::Value(count) => Some(count),
                LimitValue::Unlimited => None,
            }),
            threads: stat.as_ref().and_then(|stat| u64::try_from(stat.num_threads).ok()),
            started: stat.and_then(|stat| started(stat.starttime)),
        }
    }

    /// What CPU time it has used.
    pub(in crate::export) fn cpu() -> Nanoseconds {
        let cpu = clock_gettime(ClockId::ProcessCPUTime);
        Nanoseconds(cpu.tv_sec as u64 * Nanoseconds::SECOND.0 + cpu.tv_nsec as u64)
    }

    /// Writes its families.
    pub(super) fn write(&self, page: &mut Exposition) {
        let Self { cpu, resident_bytes, virtual_bytes, open_fds, max_fds, threads, started } = *self;
        let mut write = |family: &'static Family, value: Option<Value>| {
            if let Some(value) = value {
                page.family(family).sample(&[], value);
            }
        };
        write(&table::PROCESS_CPU_SECONDS, Some(Value::Time(cpu)));
        write(&table::PROCESS_RESIDENT, resident_bytes.map(Value::Count));
        write(&table::PROCESS_VIRTUAL, virtual_bytes.map(Value::Count));
        write(&table::PROCESS_OPEN_FDS, open_fds.map(Value::Count));
        write(&table::PROCESS_MAX_FDS, max_fds.map(Value::Count));
        write(&table::PROCESS_THREADS, threads.map(Value::Count));
        write(&table::PROCESS_START, started.map(Value::Time));
    }
}

/// From clock ticks since boot (`proc_pid_stat(5)`, field 22) to the time since the epoch.
fn started(ticks: u64) -> Option<Nanoseconds> {
    let boot = procfs::boot_time_secs().ok()?;
    let since_boot = ticks * (Nanoseconds::SECOND.0 / procfs::ticks_per_second());
    Some(Nanoseconds(boot * Nanoseconds::SECOND.0 + since_boot))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_running_and_costs_something() {
        let own = OwnProcess::read();
        assert!(own.cpu > Nanoseconds::ZERO);
        assert!(own.resident_bytes.unwrap() > 100_000);
        assert!(own.virtual_bytes >= own.resident_bytes);
        assert!(own.open_fds.unwrap() >= 3);
        assert!(own.threads.unwrap() >= 1);
        let now = Nanoseconds::from(std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap());
        let started = own.started.unwrap();
        assert!(started <= now + Nanoseconds::SECOND + Nanoseconds::SECOND, "{started:?} {now:?}");
    }
}
