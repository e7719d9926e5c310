//! Counters of cycles and instructions on every CPU, for the programs and for slices that are open.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::ptr::{read_volatile, write_volatile};
use std::time::{Duration, Instant};

use agent_ebpf::{Counted, CpuCounters, CpuState, UNREADABLE};
use aya::Ebpf;
use aya::maps::Map;

use crate::activity::{Counts, Topology};
use crate::notice::Notice;
use crate::units::Nanoseconds;

use super::counter_events::CounterEvents;
use super::load::{LoadError, no_map, object_error};
use super::no_counters::NoCounters;
use super::perf_event::{CounterGroup, Times};
use super::shared_array::SharedArray;

/// How often counters that did not count are opened anew.
const REOPEN_AFTER: Duration = Duration::from_secs(10);
/// `BPF_MAP_UPDATE_ELEM` (`include/uapi/linux/bpf.h`).
const MAP_UPDATE_ELEM: libc::c_int = 2;

static INCOMPLETE: Notice = Notice::new("counters_incomplete");

/// How it stands with counters of cycles and instructions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CounterState {
    /// They are not wanted.
    Off,
    /// They count.
    Open,
    /// There are none.
    Missing(NoCounters),
}

/// The counters of one CPU.
#[derive(Debug)]
struct OfCpu {
    cpu: u32,
    /// `None` where they could not be opened, as on a CPU that is offline.
    group: Option<CounterGroup>,
    /// How many slices were not counted, as last seen.
    unknown_slices: u64,
    /// Whether the slice that is open is not counted.
    is_incomplete: bool,
}

/// Counters that the programs have not been handed yet.
#[derive(Debug)]
pub(super) struct OpenCounters {
    events: CounterEvents,
    cpus: Vec<OfCpu>,
}

impl OpenCounters {
    /// Opens them on every CPU that is online.
    pub(super) fn open(events: &CounterEvents, topology: &Topology) -> Result<Self, NoCounters> {
        let mut cpus = Vec::with_capacity(topology.cpus().len());
        for place in topology.cpus() {
            let group = match CounterGroup::open(place.cpu, events.pmu_type, &events.codes(place.cpu)) {
                Ok(group) => Some(group),
                Err(error) if error.raw_os_error() == Some(libc::ENODEV) => None,
                Err(error) => return Err(NoCounters::of_opening(&error)),
            };
            cpus.push(OfCpu { cpu: place.cpu, group, unknown_slices: 0, is_incomplete: false });
        }
        if cpus.iter().all(|of| of.group.is_none()) {
            return Err(NoCounters::NotThere);
        }
        Ok(Self { events: events.clone(), cpus })
    }

    /// Hands them to the programs, before these are attached. `counted` is where the programs add up.
    pub(super) fn hand_over(self, programs: &Ebpf, counted: SharedArray<Counted>) -> Result<Counters, LoadError> {
        let map = |name: &str| match programs.map(name) {
            Some(Map::PerfEventArray(data)) => data.fd().as_fd().try_clone_to_owned().map_err(object_error),
            _ => Err(no_map(name)),
        };
        let maps = [map("CYCLES")?, map("INSTRUCTIONS")?];
        for of in &self.cpus {
            of.hand_over(&maps).map_err(object_error)?;
        }
        Ok(Counters { events: self.events, cpus: self.cpus, maps, counted, values: Vec::new(), tried: None })
    }
}

/// Counters that count.
pub(super) struct Counters {
    events: CounterEvents,
    /// By place in the topology.
    cpus: Vec<OfCpu>,
    /// The programs' maps for cycles and for instructions. The kernel takes out what was put in when they are closed.
    maps: [OwnedFd; 2],
    counted: SharedArray<Counted>,
    values: Vec<u64>,
    /// When some were last opened anew.
    tried: Option<Instant>,
}

impl Counters {
    /// What was counted in the closed slices of a cell.
    pub(super) fn counted(&self, cell: usize) -> Counts {
        let Counted { cycles, instructions } = self.counted.get(cell);
        Counts { cycles, instructions }
    }

    /// Lets a cell begin at zero.
    pub(super) fn clear(&self, cell: usize) {
        self.counted.set(cell, Counted::default());
    }

    /// Reads the counters of the CPU at a place, which interrupts it, and says what was counted since `began`, until the
    /// slice was `length` old. `None` where that is not known.
    pub(super) fn read_open(&mut self, place: usize, began: &CpuCounters, length: Nanoseconds) -> Option<Open> {
        let Self { cpus, values, .. } = self;
        let times = cpus[place].group.as_ref().and_then(|group| group.read(values).ok());
        times.zip(values.first_chunk()).and_then(|(times, now)| Open::since(began, times, *now, length))
    }

    /// That what runs at a place is not counted.
    pub(super) fn miss(&mut self, place: usize) {
        self.cpus[place].is_incomplete = true;
    }

    /// Whether all slices were counted that were ended or read since the last call. Where some were not, their CPUs'
    /// counters are opened anew, now and then.
    pub(super) fn was_all_counted(&mut self, states: &SharedArray<CpuState>) -> bool {
        let mut missing = None;
        for of in &mut self.cpus {
            let state = states.element(of.cpu as usize);
            // SAFETY: `state` lies in the mapping; the field is read as a whole.
            let unknown = unsafe { read_volatile(&raw const (*state).counters.unknown_slices) };
            of.is_incomplete |= unknown != of.unknown_slices;
            of.unknown_slices = unknown;
            if of.is_incomplete {
                missing = Some(of.cpu);
            }
        }
        let Some(cpu) = missing else { return true };
        INCOMPLETE.warn(format_args!(
            "cycles and instructions are not known of a window, since the counters of CPU {cpu} did not count all the \
             time: somebody else uses them too (perf?), or the CPU was offline"
        ));
        let is_time = self.tried.is_none_or(|tried| tried.elapsed() >= REOPEN_AFTER);
        if is_time {
            self.tried = Some(Instant::now());
        }
        for of in &mut self.cpus {
            if std::mem::take(&mut of.is_incomplete)
                && is_time
                && let Err(error) = of.reopen(&self.events, &self.maps, states)
            {
                tracing::debug!("the counters of CPU {} cannot be opened now: {error}", of.cpu);
            }
        }
        false
    }
}

impl OfCpu {
    fn reopen(
        &mut self,
        events: &CounterEvents,
        maps: &[OwnedFd; 2],
        states: &SharedArray<CpuState>,
    ) -> io::Result<()> {
        self.group = None;
        self.group = Some(CounterGroup::open(self.cpu, events.pmu_type, &events.codes(self.cpu))?);
        let state = states.element(self.cpu as usize);
        // What was handed out of the old ones is none of the new ones'.
        write_handed_out(state, Counts::default());
        self.hand_over(maps)?;
        // SAFETY: `state` lies in the mapping. If a switch has written this meanwhile, one more slice is not counted.
        unsafe { write_volatile(&raw mut (*state).counters.enabled_ns, UNREADABLE) };
        Ok(())
    }

    /// Puts the counters into the programs' maps, in the place of others.
    fn hand_over(&self, maps: &[OwnedFd; 2]) -> io::Result<()> {
        let descriptors = self.group.iter().flat_map(CounterGroup::descriptors);
        maps.iter().zip(descriptors).try_for_each(|(map, counter)| put(map.as_fd(), self.cpu, counter))
    }
}

/// What was counted in a slice that is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Open {
    /// Since the slice began.
    pub(super) counts: Counts,
    /// Where the counters stood at its end.
    until: Counts,
}

impl Open {
    /// From where the counters stand now, some time after the slice was `length` old: of what they have counted since,
    /// the part that the length is of the time. `None` where they did not count all the time.
    fn since(began: &CpuCounters, times: Times, [cycles, instructions]: [u64; 2], length: Nanoseconds) -> Option<Self> {
        let ran = times.running.0.wrapping_sub(began.running_ns);
        let is_whole = began.enabled_ns != UNREADABLE
            && ran.cast_signed() > 0
            && ran == times.enabled.0.wrapping_sub(began.enabled_ns);
        if !is_whole {
            return None;
        }
        let part = |count: u64| (u128::from(count) * u128::from(length.0.min(ran)) / u128::from(ran)) as u64;
        let then = Counts { cycles: began.at_switch.cycles, instructions: began.at_switch.instructions };
        let since = Counts { cycles, instructions }.saturating_sub(then);
        let counts = Counts { cycles: part(since.cycles), instructions: part(since.instructions) };
        let mut until = then;
        until += counts;
        Some(Self { counts, until })
    }

    /// Tells the programs that it is handed out: it stays with who was seen to run, even if it was somebody else.
    pub(super) fn hand_out(&self, state: *mut CpuState) {
        write_handed_out(state, self.until);
    }
}

/// `state` is an element of the array of CPUs.
fn write_handed_out(state: *mut CpuState, until: Counts) {
    // SAFETY: `state` lies in the mapping, and the programs only read these fields.
    unsafe {
        write_volatile(&raw mut (*state).counters.handed_out.cycles, until.cycles);
        write_volatile(&raw mut (*state).counters.handed_out.instructions, until.instructions);
    }
}

/// The part of the kernel's `union bpf_attr` that `BPF_MAP_UPDATE_ELEM` takes.
#[repr(C)]
struct Update {
    map: u32,
    padding: u32,
    key: u64,
    value: u64,
    flags: u64,
}

/// Puts a counter into a map of perf events, which aya only does with events of its own.
fn put(map: BorrowedFd<'_>, cpu: u32, counter: BorrowedFd<'_>) -> io::Result<()> {
    let value = counter.as_raw_fd().cast_unsigned();
    let update = Update {
        map: map.as_raw_fd().cast_unsigned(),
        padding: 0,
        key: std::ptr::from_ref(&cpu).addr() as u64,
        value: std::ptr::from_ref(&value).addr() as u64,
        flags: 0,
    };
    // SAFETY: the call reads the structure, whose size it is told, and the key and value of four bytes each that it
    // points to, and keeps no pointer to them.
    let result = unsafe { libc::syscall(libc::SYS_bpf, MAP_UPDATE_ELEM, &raw const update, size_of::<Update>()) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn began(enabled_ns: u64, running_ns: u64) -> CpuCounters {
        CpuCounters {
            at_switch: Counted { cycles: 500, instructions: 700 },
            enabled_ns,
            running_ns,
            unknown_slices: 0,
            handed_out: Counted::default(),
            padding: 0,
        }
    }

    fn times(enabled: u64, running: u64) -> Times {
        Times { enabled: Nanoseconds(enabled), running: Nanoseconds(running) }
    }

    #[test]
    fn an_open_slice_has_what_the_counters_moved_since_it_began() {
        let open = |length| {
            let open = Open::since(&began(100, 90), times(150, 140), [520, 704], Nanoseconds(length)).unwrap();
            assert_eq!(open.until.cycles, 500 + open.counts.cycles);
            (open.counts.cycles, open.counts.instructions)
        };
        assert_eq!(open(50), (20, 4));
        assert_eq!(open(25), (10, 2), "the window has ended before they were read");
        assert_eq!(open(0), (0, 0));
        assert_eq!(open(51), (20, 4), "the clocks are not quite the same");
    }

    #[test]
    fn a_slice_in_which_the_counters_stood_is_not_known() {
        for (began, times) in [
            (began(100, 100), times(150, 149)),
            (began(100, 100), times(100, 100)),
            (began(100, 100), times(50, 50)),
            (began(UNREADABLE, 0), times(150, 150)),
        ] {
            assert_eq!(Open::since(&began, times, [520, 703], Nanoseconds(50)), None, "{began:?} {times:?}");
        }
    }
}
