//! `perf_event_open` for counters of one CPU that count whatever runs there (the `power` PMU, cycles, instructions).

#![expect(unsafe_code, reason = "perf_event_open has no safe wrapper in the standard library or rustix")]

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use crate::units::Nanoseconds;

/// `PERF_FORMAT_TOTAL_TIME_ENABLED`, `PERF_FORMAT_TOTAL_TIME_RUNNING` and `PERF_FORMAT_GROUP`: one read returns both times
/// and every counter of the group (`include/uapi/linux/perf_event.h`).
const FORMAT: u64 = 1 | 1 << 1 | 1 << 3;
/// How many words come before the counters: how many they are, and the two times.
const WORDS_BEFORE: usize = 3;
/// `PERF_FLAG_FD_CLOEXEC`.
const FLAG_CLOEXEC: libc::c_ulong = 1 << 3;
/// The most counters one group may have here; the `power` PMU has five.
const GROUP_LIMIT: usize = 15;

/// The kernel's `struct perf_event_attr` in its first published size (`PERF_ATTR_SIZE_VER0`, 64 bytes), which every
/// kernel accepts.
#[repr(C)]
#[derive(Default)]
struct Attributes {
    pmu_type: u32,
    size: u32,
    config: u64,
    sample_period: u64,
    sample_type: u64,
    read_format: u64,
    flags: u64,
    wakeup_events: u32,
    breakpoint_type: u32,
    config1: u64,
}

const _: () = assert!(size_of::<Attributes>() == 64);

/// How long counters have been counting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// Since when they have been open.
    pub enabled: Nanoseconds,
    /// Of that, how long they did count: less, where others wanted the hardware too.
    pub running: Nanoseconds,
}

/// Counters of one PMU on one CPU that are read together.
#[derive(Debug)]
pub struct CounterGroup {
    /// The group's leader first; the others are only kept open.
    counters: Vec<OwnedFd>,
}

impl CounterGroup {
    /// Opens one counter per event code, counting from now on. `pmu_type` is the PMU's `type` file in sysfs, `events`
    /// are the codes from its `events` folder.
    ///
    /// # Errors
    /// The kernel's: `EACCES` or `EPERM` without `CAP_PERFMON` (or `CAP_SYS_ADMIN`, or `perf_event_paranoid` at 0 or
    /// below), `ENODEV` where the CPU is offline, `ENOENT` or `EINVAL` where there is no such event.
    pub fn open(cpu: u32, pmu_type: u32, events: &[u64]) -> io::Result<Self> {
        if events.is_empty() || events.len() > GROUP_LIMIT {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{} events in one group", events.len())));
        }
        let mut counters: Vec<OwnedFd> = Vec::with_capacity(events.len());
        for &config in events {
            let attributes = Attributes {
                pmu_type,
                size: size_of::<Attributes>() as u32,
                config,
                read_format: FORMAT,
                ..Attributes::default()
            };
            let leader = counters.first().map_or(-1, AsRawFd::as_raw_fd);
            counters.push(perf_event_open(&attributes, cpu, leader)?);
        }
        Ok(Self { counters })
    }

    /// The counters, in the order in which they were opened.
    pub fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.counters.iter().map(AsFd::as_fd)
    }

    /// Reads all counters into `counts`, in the order in which they were opened. Where their CPU is not idle, it is
    /// interrupted for that.
    ///
    /// # Errors
    /// The kernel's, and `UnexpectedEof` where the kernel has given the counters up (their CPU went offline and no
    /// other CPU could take them over): open them again.
    pub fn read(&self, counts: &mut Vec<u64>) -> io::Result<Times> {
        let mut buffer = [0_u8; (GROUP_LIMIT + WORDS_BEFORE) * 8];
        let length = rustix::io::read(&self.counters[0], &mut buffer[..])?;
        let mut words = buffer[..length].chunks_exact(8).map(|word| {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(word);
            u64::from_ne_bytes(bytes)
        });
        let (count, enabled, running) = (words.next(), words.next(), words.next());
        if count != Some(self.counters.len() as u64) || words.len() != self.counters.len() {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the kernel has given these counters up"));
        }
        counts.clear();
        counts.extend(words);
        Ok(Times { enabled: Nanoseconds(enabled.unwrap_or(0)), running: Nanoseconds(running.unwrap_or(0)) })
    }
}

/// Opens one counter of all processes (`pid` -1) on one CPU.
fn perf_event_open(attributes: &Attributes, cpu: u32, group: libc::c_int) -> io::Result<OwnedFd> {
    let every_process: libc::pid_t = -1;
    // SAFETY: the call reads `attributes.size` bytes, which is the size of the `repr(C)` struct behind the pointer,
    // keeps no pointer to it, and takes its other arguments by value.
    let descriptor = unsafe {
        libc::syscall(
            libc::SYS_perf_event_open,
            std::ptr::from_ref(attributes),
            every_process,
            cpu,
            group,
            FLAG_CLOEXEC,
        )
    };
    if descriptor < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just returned this descriptor as a new one, so nothing else owns or closes it.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor as libc::c_int) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pmu_that_does_not_exist_is_an_error_and_not_a_counter() {
        let error = CounterGroup::open(0, u32::MAX, &[1]).expect_err("no such PMU");
        assert!(error.raw_os_error().is_some(), "{error}");
    }

    /// `PERF_TYPE_SOFTWARE`, whose first two events are the CPU's clock and the clock of who runs.
    #[test]
    fn counters_of_a_group_are_read_with_their_times() {
        let group = match CounterGroup::open(0, 1, &[0, 1]) {
            Ok(group) => group,
            Err(error) => return eprintln!("skipped: no permission to count on a CPU ({error})"),
        };
        let mut counts = Vec::new();
        let before = group.read(&mut counts).unwrap();
        let first = counts.clone();
        let after = group.read(&mut counts).unwrap();
        assert!(counts[0] > first[0] && after.running > before.running, "{first:?} {counts:?}");
        assert_eq!((group.descriptors().count(), counts.len(), after.enabled), (2, 2, after.running));
    }

    #[test]
    fn a_group_has_at_least_one_event() {
        assert_eq!(CounterGroup::open(0, 1, &[]).expect_err("empty").kind(), io::ErrorKind::InvalidInput);
    }
}
