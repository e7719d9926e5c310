//! A trace through the pipeline.

use std::io::{self, BufRead, Write};
use std::sync::Arc;
use std::thread;

use crate::activity::{ActivityWindow, Lifecycle, Pid};
use crate::attribute::attribute;
use crate::clock::{Timestamp, WallAnchor};
use crate::config::{Policy, StaticPower, Weights};
use crate::fuse::{EnergyWindow, Fusion, Limits, MeterState};
use crate::identity::{ContainerFacts, FunctionRules, Labels, MetadataNews, Names, work_kinds};
use crate::invocation::{BookOptions, By as SeenBy, InvocationBook, Observed, Place};
use crate::source::{Reading, Zone};
use crate::units::{Nanoseconds, Volts};

use super::activity::window;
use super::consumers::Consumers;
use super::line::{Activity, FunctionLine, Invocation, Line};
use super::machine::Machine;
use super::meter::{Esp32Channels, reading};
use super::problem::{Problem, TraceError};
use super::reader::{Trace, read};
use super::result::{By, ResultWriter};
use super::scan::cgroups_with_functions;
use super::write_behind::WriteBehind;

/// How late an invocation may stand in a trace.
const LATENESS: Nanoseconds = Nanoseconds(10 * Nanoseconds::SECOND.0);
/// How far back activity is remembered for them; a slow meter's energy comes late too.
const HISTORY: Nanoseconds = Nanoseconds(LATENESS.0 + 30 * Nanoseconds::SECOND.0);
/// How long after the end of a trace everything is settled.
const ALL_SETTLED: Nanoseconds = Nanoseconds(60 * Nanoseconds::SECOND.0);
/// Times from here on are none: 2^62 ns since 1970 are the year 2116.
const NO_TIME: u64 = 1 << 62;
/// The label under which functions are told to the pipeline.
const FUNCTION: &str = "function";

/// How a trace is replayed.
#[derive(Clone, Debug)]
pub struct ReplayOptions {
    /// Who is charged with static energy.
    pub policy: Policy,
    /// What activity counts for.
    pub weights: Weights,
    /// Static power of zones, as in the configuration.
    pub static_power: StaticPower,
    /// The supply of an ESP32 meter.
    pub volts: Volts,
    /// How far it may be off, as a fraction.
    pub volts_tolerance: f64,
    /// Command names of servers that start a process for every request.
    pub fork_servers: Vec<String>,
    /// Whose energy each line of the result says.
    pub by: By,
}

/// What was replayed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Windows of activity.
    pub windows: u64,
    /// Readings and datagrams.
    pub readings: u64,
    /// Invocations that were told.
    pub invocations: u64,
    /// Of those, the ones that could not be taken.
    pub refused: u64,
    /// From the beginning of the first window to the end of the last.
    pub time: Nanoseconds,
}

/// The pipeline while a trace goes through it.
pub struct Replay<'scope> {
    policy: Policy,
    machine: Machine,
    consumers: Consumers,
    names: Names,
    fusion: Fusion,
    book: InvocationBook,
    esp32: Esp32Channels,
    zones: Vec<Zone>,
    events: Vec<Lifecycle>,
    exited: Vec<(Pid, Nanoseconds)>,
    energy: Vec<EnergyWindow>,
    out: ResultWriter<'scope>,
    began: Option<Timestamp>,
    newest: Timestamp,
    done: Replayed,
}

impl<'scope> Replay<'scope> {
    /// Replays the trace that `open` opens, twice, and writes what comes out to `out`.
    ///
    /// # Errors
    /// When a line cannot be read or makes no sense, or the result cannot be written.
    pub fn run<R: BufRead + Send>(
        open: impl Fn() -> io::Result<R>,
        options: &ReplayOptions,
        out: impl Write + Send,
    ) -> anyhow::Result<Replayed> {
        let consumers = Consumers::new(cgroups_with_functions(open()?));
        let trace = open()?;
        thread::scope(|scope| {
            let Trace { header, lines, spent } = read(trace, scope)?;
            let machine = Machine::of(&header).map_err(|problem| TraceError { line: 1, problem })?;
            let mut replay = Replay::new(machine, consumers, options, WriteBehind::new(out, scope));
            for some in lines {
                let some = some?;
                for (number, line) in some.iter() {
                    replay.line(line, number)?;
                }
                let _all_is_read = spent.send(some);
            }
            replay.end()
        })
    }

    fn new(machine: Machine, consumers: Consumers, options: &ReplayOptions, out: WriteBehind<'scope>) -> Self {
        let book = BookOptions {
            fork_servers: options.fork_servers.clone(),
            history: HISTORY,
            lateness: LATENESS,
            began: Timestamp::default(),
            suspended: Nanoseconds::ZERO,
        };
        let fusion =
            Fusion::new(&options.static_power, Limits::default()).hand_out_models(options.weights == Weights::Learned);
        Self {
            policy: options.policy,
            consumers,
            names: Names::new(FunctionRules::new(Some(FUNCTION))),
            fusion: fusion.prefer(machine.preferred.clone()).knowing(machine.idle_powers.clone()),
            machine,
            book: InvocationBook::new(book),
            esp32: Esp32Channels::new(options.volts, options.volts_tolerance),
            zones: Vec::new(),
            events: Vec::new(),
            exited: Vec::new(),
            energy: Vec::new(),
            out: ResultWriter::new(out, options.by),
            began: None,
            newest: Timestamp::default(),
            done: Replayed::default(),
        }
    }

    fn line(&mut self, line: &Line<'_>, number: u64) -> anyhow::Result<()> {
        let failed = |problem| TraceError { line: number, problem };
        let at = time(line.at_ns).map_err(failed)?;
        if let Some(activity) = &line.activity {
            let window = self.window(activity).map_err(failed)?;
            self.close_window(window)?;
        } else if let Some(line) = &line.reading {
            let reading = reading(line, at).map_err(failed)?;
            self.reading(reading);
        } else if let Some(line) = &line.esp32 {
            if let Some(reading) = self.esp32.datagram(line, at) {
                self.reading(reading);
            }
        } else if let Some(exec) = &line.exec {
            let (pid, start, path) = (Pid(exec.pid), Nanoseconds(exec.start_ns), exec.path.as_ref().into());
            self.events.push(Lifecycle::Exec { at, pid, start, path });
        } else if let Some(exit) = &line.exit {
            let (pid, start) = (Pid(exit.pid), Nanoseconds(exit.start_ns));
            self.events.push(Lifecycle::Exit { at, pid, start });
            self.exited.push((pid, start));
        } else if let Some(invocation) = &line.invocation {
            self.invocation(invocation, at).map_err(failed)?;
        } else if let Some(FunctionLine { cgroup, name }) = &line.function {
            self.function(cgroup, name, at);
        } else {
            return Err(failed(Problem::Empty).into());
        }
        Ok(())
    }

    fn reading(&mut self, reading: Reading) {
        self.done.readings += 1;
        self.fusion.reading(reading);
    }

    fn window(&mut self, line: &Activity<'_>) -> Result<ActivityWindow, Problem> {
        let (from, to) = (time(line.from_ns)?, time(line.to_ns)?);
        if to <= from || from < self.newest {
            return Err(Problem::OutOfOrder { from: from.0, to: to.0, newest: self.newest.0 });
        }
        self.newest = to;
        window(line, (from, to), &self.machine, &mut self.consumers, &mut self.names, &mut self.events)
    }

    /// The same stages in the same order as live.
    fn close_window(&mut self, mut window: ActivityWindow) -> anyhow::Result<()> {
        for (pid, start) in self.exited.drain(..) {
            self.events.extend(self.consumers.exited(pid, start));
        }
        self.names.forget();
        for event in &self.events {
            self.names.apply(event);
        }
        let to = window.to;
        self.began.get_or_insert(window.from);
        self.done.windows += 1;
        self.book.record(std::slice::from_ref(&window), &self.events, &self.names);
        self.events.clear();
        window.kinds = work_kinds(&window, &self.names);
        self.fusion.window(Arc::new(window));
        self.charge()?;
        self.settle(to)
    }

    fn charge(&mut self) -> anyhow::Result<()> {
        self.fusion.drain(&mut self.energy);
        for energy in self.energy.drain(..) {
            let attribution = attribute(&energy, self.policy);
            let zone = self.zones.iter().position(|zone| *zone == attribution.zone).unwrap_or_else(|| {
                self.zones.push(attribution.zone.clone());
                self.zones.len() - 1
            });
            self.book.charge(zone, &attribution, &self.names);
            self.out.window(&attribution, &self.names)?;
        }
        Ok(())
    }

    fn settle(&mut self, now: Timestamp) -> anyhow::Result<()> {
        for finished in self.book.settle(now, &self.names, WallAnchor::unix_time()) {
            self.out.invocation(&finished)?;
        }
        Ok(())
    }

    fn invocation(&mut self, line: &Invocation<'_>, at: Timestamp) -> Result<(), Problem> {
        let place = match &line.cgroup {
            Some(cgroup) => {
                let (id, container) = self.consumers.cgroup(cgroup, &mut self.names);
                if !line.function.is_empty() {
                    self.function(cgroup, &line.function, at);
                } else if self.names.workloads().facts_of(&container).is_none() {
                    self.function(cgroup, cgroup, at);
                }
                match line.pid {
                    0 => Place::Container(Arc::clone(&container.id)),
                    pid => Place::Process(id, Pid(pid)),
                }
            }
            None if line.function.is_empty() => return Err(Problem::NoPlace),
            None => Place::Function { name: line.function.as_ref().into(), namespace: None },
        };
        let observed = Observed {
            id: line.id.as_ref().into(),
            place,
            by: SeenBy::Report,
            start: time(line.start_ns)?,
            end: time(line.end_ns)?,
            on_cpu: line.cpu_ns.map(Nanoseconds),
            reporter: None,
        };
        self.done.invocations += 1;
        self.done.refused += u64::from(self.book.observe(observed, at).is_err());
        Ok(())
    }

    /// A cgroup runs a function from `at` on.
    fn function(&mut self, cgroup: &str, name: &str, at: Timestamp) {
        let (_, container) = self.consumers.cgroup(cgroup, &mut self.names);
        let labels = Labels::from([(FUNCTION.into(), name.into())]);
        let facts = ContainerFacts { id: Arc::clone(&container.id), name: name.into(), pod_uid: None, labels };
        if self.names.workloads().facts_of(&container).is_none_or(|known| **known != facts) {
            self.names.metadata(at, vec![MetadataNews::Container(Arc::new(facts))]);
        }
    }

    /// Nothing more comes.
    fn end(mut self) -> anyhow::Result<Replayed> {
        self.charge()?;
        self.settle(self.newest + ALL_SETTLED)?;
        for meter in self.fusion.meters().filter(MeterState::is_known) {
            self.out.meter(&meter)?;
        }
        self.done.time = self.began.map_or(Nanoseconds::ZERO, |began| self.newest.since(began));
        self.out.end()?;
        Ok(self.done)
    }
}

fn time(nanoseconds: u64) -> Result<Timestamp, Problem> {
    if nanoseconds < NO_TIME { Ok(Timestamp(nanoseconds)) } else { Err(Problem::NoTime(nanoseconds)) }
}
