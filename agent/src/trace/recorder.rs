//! Writes down what comes into the pipeline.

use std::borrow::Cow;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

use rustc_hash::FxHashMap;
use serde::Serialize;

use crate::activity::{ActivityWindow, CgroupId, Lifecycle, Topology};
use crate::clock::Timestamp;
use crate::confine::{Confinement, Role};
use crate::identity::{FunctionId, Names};
use crate::invocation::{Observed, Place};
use crate::source::{CounterRange, IdlePower, Measure, Provenance, Reading, SourceId};

use super::activity::activity;
use super::line::{Exec, Exit, FunctionLine, Invocation, Line, ReadingLine};
use super::machine::header;

/// How much waits for a slow disk before the pipeline waits too: windows get longer then, and nothing is lost.
const CHUNKS: usize = 1_024;
/// How much is handed to the writing thread at a time, bytes.
const CHUNK: usize = 64 * 1_024;

/// What a recording has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recorded {
    /// Windows of activity.
    pub windows: u64,
    /// Readings.
    pub readings: u64,
    /// Invocations.
    pub invocations: u64,
    /// Bytes, before any compression.
    pub bytes: u64,
}

/// Takes lines from the pipeline; a thread of its own writes them.
#[derive(Debug)]
pub struct Recorder {
    chunk: Vec<u8>,
    chunks: SyncSender<Vec<u8>>,
    writer: JoinHandle<io::Result<()>>,
    /// Which function each cgroup was said to run.
    functions: FxHashMap<CgroupId, FunctionId>,
    functions_as_of: Option<u64>,
    done: Recorded,
}

impl Recorder {
    /// Records to `out` what comes into the pipeline of a machine.
    ///
    /// # Errors
    /// When there is no thread to be had.
    pub fn start(out: Box<dyn Write + Send>, confinement: &Arc<Confinement>) -> io::Result<Self> {
        let (chunks, written) = sync_channel::<Vec<u8>>(CHUNKS);
        let mut out = out;
        let writer = confinement.spawn("prony-record", Role::Record, move || {
            for chunk in written {
                out.write_all(&chunk)?;
            }
            out.flush()
        })?;
        Ok(Self {
            chunk: Vec::with_capacity(2 * CHUNK),
            chunks,
            writer,
            functions: FxHashMap::default(),
            functions_as_of: None,
            done: Recorded::default(),
        })
    }

    /// The first line.
    pub fn machine(&mut self, node: &str, topology: &Topology, preferred: &[SourceId], idle_powers: &[IdlePower]) {
        self.write(&header(node, topology, preferred, idle_powers));
    }

    /// A reading that arrived at `at`.
    pub fn reading(&mut self, reading: &Reading, at: Timestamp) {
        let (counter, power) = match reading.measure {
            Measure::Energy(counter) => (Some(counter), None),
            Measure::Power(power) => (None, Some(power.0 * 1e6)),
        };
        let line = ReadingLine {
            source: Cow::Borrowed(&reading.source.0),
            zone: reading.zone.name.to_string().into(),
            socket: reading.zone.socket,
            as_of_ns: (reading.at != at).then_some(reading.at.0),
            cumulative_uj: counter.map(|counter| counter.total.0),
            wraps_after_uj: counter.and_then(|counter| match counter.range {
                CounterRange::WrapsAfter(most) => Some(most.0),
                CounterRange::Unbounded => None,
            }),
            epoch: counter.map_or(0, |counter| counter.epoch),
            power_uw: power,
            uncertainty: reading.uncertainty.0,
            clipped: reading.clipped,
            estimated: reading.provenance == Provenance::Estimated,
        };
        self.done.readings += 1;
        self.write(&Line { at_ns: at.0, reading: Some(line), ..Line::default() });
    }

    /// A window of activity and what happened in it. `names` know of it already.
    pub fn window(&mut self, window: &ActivityWindow, events: &[Lifecycle], names: &Names) {
        for event in events {
            match event {
                Lifecycle::Exec { at, pid, start, path } => {
                    let exec = Exec { pid: pid.0, start_ns: start.0, path: Cow::Borrowed(path) };
                    self.write(&Line { at_ns: at.0, exec: Some(exec), ..Line::default() });
                }
                Lifecycle::Exit { at, pid, start } => {
                    let exit = Exit { pid: pid.0, start_ns: start.0 };
                    self.write(&Line { at_ns: at.0, exit: Some(exit), ..Line::default() });
                }
                // The others are told with who ran.
                Lifecycle::Named { .. }
                | Lifecycle::Ended { .. }
                | Lifecycle::CgroupMade { .. }
                | Lifecycle::CgroupRemoved { .. } => {}
            }
        }
        self.functions(window, names);
        self.done.windows += 1;
        let activity = Some(activity(window, names));
        self.write(&Line { at_ns: window.to.0, activity, ..Line::default() });
    }

    /// An invocation that was seen or reported, and taken in at `at`.
    pub fn invocation(&mut self, observed: &Observed, names: &Names, at: Timestamp) {
        let (mut cgroup, mut pid, mut function) = (None, 0, None);
        match &observed.place {
            Place::Process(id, number) => (cgroup, pid) = (Some(*id), number.0),
            Place::Container(container) => cgroup = self.cgroup_where(names, |known| known.id == *container),
            Place::Pod(uid) => cgroup = self.cgroup_where(names, |known| known.pod_uid.as_ref() == Some(uid)),
            Place::Function { name, .. } => function = Some(name),
        }
        let path = cgroup.and_then(|cgroup| names.cgroup(cgroup)).map(|known| Cow::Borrowed(&*known.path));
        let id = cgroup.and_then(|cgroup| self.functions.get(&cgroup));
        let told = id.and_then(|id| names.workloads().function(*id)).map(|function| &function.name);
        let function = function.or(told);
        // In a place of which nothing is known nothing was seen to run, and a replay has no place for it.
        if path.is_none() && function.is_none() {
            return;
        }
        let invocation = Invocation {
            id: Cow::Borrowed(&observed.id),
            function: function.map_or(Cow::Borrowed(""), |name| Cow::Borrowed(name)),
            cgroup: path,
            pid,
            start_ns: observed.start.0,
            end_ns: observed.end.0,
            cpu_ns: observed.on_cpu.map(|time| time.0),
        };
        self.done.invocations += 1;
        self.write(&Line { at_ns: at.0, invocation: Some(invocation), ..Line::default() });
    }

    /// Whether something could not be written.
    pub fn has_failed(&self) -> bool {
        self.writer.is_finished()
    }

    /// Waits until all is written.
    ///
    /// # Errors
    /// When something could not be.
    pub fn finish(mut self) -> io::Result<Recorded> {
        self.hand_over();
        drop(self.chunks);
        self.writer.join().unwrap_or_else(|_| Err(io::Error::other("the thread that writes has failed")))?;
        Ok(self.done)
    }

    /// Says which functions the cgroups run, as far as that has become known or has changed.
    fn functions(&mut self, window: &ActivityWindow, names: &Names) {
        let version = names.workloads().version();
        let is_old = self.functions_as_of == Some(version);
        let mut cgroups: Vec<CgroupId> = window.slices.iter().map(|slice| names.cgroup_of(&slice.consumer)).collect();
        cgroups.sort_unstable();
        cgroups.dedup();
        cgroups.retain(|cgroup| !is_old || !self.functions.contains_key(cgroup));
        for cgroup in cgroups {
            let Some(known) = names.cgroup(cgroup) else { continue };
            let Some(container) = &known.container else { continue };
            let Some(function) = names.workloads().function_of(container, window.to) else { continue };
            if self.functions.insert(cgroup, function) == Some(function) {
                continue;
            }
            let Some(described) = names.workloads().function(function) else { continue };
            let line = FunctionLine { cgroup: Cow::Borrowed(&known.path), name: Cow::Borrowed(&described.name) };
            write(&mut self.chunk, &Line { at_ns: window.to.0, function: Some(line), ..Line::default() });
        }
        self.functions_as_of = Some(version);
        self.functions.retain(|cgroup, _| names.cgroup(*cgroup).is_some());
    }

    fn cgroup_where(&self, names: &Names, is_it: impl Fn(&crate::identity::Container) -> bool) -> Option<CgroupId> {
        let container = |cgroup: &CgroupId| names.cgroup(*cgroup)?.container.clone();
        self.functions.keys().copied().filter(|cgroup| container(cgroup).is_some_and(|known| is_it(&known))).min()
    }

    fn write(&mut self, line: &impl Serialize) {
        write(&mut self.chunk, line);
        if self.chunk.len() >= CHUNK {
            self.hand_over();
        }
    }

    fn hand_over(&mut self) {
        self.done.bytes += self.chunk.len() as u64;
        let chunk = std::mem::replace(&mut self.chunk, Vec::with_capacity(2 * CHUNK));
        // A disk that is full ends the thread; the recording tells so when it is finished.
        let _ = self.chunks.send(chunk);
    }
}

fn write(chunk: &mut Vec<u8>, line: &impl Serialize) {
    // Lines are plain data, and memory takes them all.
    let _ = serde_json::to_writer(&mut *chunk, line);
    chunk.push(b'\n');
}
