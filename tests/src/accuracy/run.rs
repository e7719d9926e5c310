//! A scenario as it runs: what the agent would see of it, what others would see, and the truth.

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};

use super::machine::{Counted, Machine, Running, STEP};
use super::scenario::{Function, Scenario};
use super::scheduler::{Job, Scheduler};
use super::sensors::{Meters, NodeMeter, Rapl};
use super::truth::{BIN_SECONDS, Truth};

/// How many steps a window has.
pub(super) const WINDOW: usize = 100;
/// How long a run goes on after what counts, seconds.
const AFTERWARDS: f64 = 5.0;
/// How often a function's phase changes, seconds.
const PHASE: f64 = 7.0;
/// What else runs and belongs to no function: a little of everything that a system does.
const SYSTEM: &str = "/system";

/// CPU time of a process in a window.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// Whose it is: the function's number; the last number is the system's.
    pub function: usize,
    /// The process.
    pub pid: u32,
    /// On which CPU.
    pub cpu: usize,
    /// For how long, seconds.
    pub seconds: f64,
    /// What was counted meanwhile.
    pub counted: Counted,
}

/// A window of 100 ms as every method may see it.
#[derive(Clone, Debug, Default)]
pub struct Window {
    /// Who ran.
    pub usages: Vec<Usage>,
    /// Processes that are there at its end.
    pub living: Vec<u32>,
    /// Joules of all packages, as RAPL shows them.
    pub rapl: f64,
    /// Joules of the whole machine, as its meter shows them, all at once when it does.
    pub node: f64,
}

/// What came of a scenario.
#[derive(Debug)]
pub struct Run {
    /// Names of functions; the last is the system's.
    pub functions: Vec<String>,
    /// How many CPUs the machine has.
    pub cpus: usize,
    /// Which core each is on.
    pub cores: Vec<usize>,
    /// The supply's volts: the meter counts charge.
    pub volts: f64,
    /// What other methods see.
    pub windows: Vec<Window>,
    /// The truth.
    pub truth: Truth,
    lines: Vec<(Kind, Value)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Always,
    /// Activity, with what the processor counts.
    Counted,
    /// Activity, without.
    Plain,
    Rapl,
    Node,
}

impl Run {
    /// The functions' cgroups, in the same order.
    pub fn cgroups(&self) -> impl Iterator<Item = String> {
        self.functions.iter().map(|name| cgroup(name))
    }

    /// The trace, as the agent would have recorded it with these meters.
    pub fn trace(&self, meters: Meters) -> String {
        let is_there = |kind: Kind| match meters {
            Meters::All => kind != Kind::Counted,
            Meters::Rapl => ![Kind::Node, Kind::Counted].contains(&kind),
            Meters::RaplAndCounters => ![Kind::Node, Kind::Plain].contains(&kind),
            Meters::Node => ![Kind::Rapl, Kind::Counted].contains(&kind),
        };
        self.lines
            .iter()
            .filter(|(kind, _)| is_there(*kind))
            .fold(String::new(), |text, (_, line)| text + &line.to_string() + "\n")
    }
}

/// Lets a scenario run. The same seed gives the same run.
pub fn simulate(scenario: &Scenario, seed: u64) -> Run {
    let mut random = SmallRng::seed_from_u64(seed);
    let mut functions = (scenario.functions)();
    functions.push(system());
    let machine = (scenario.machine)();
    let mut scheduler = Scheduler::new(&machine);
    let mut watched = Watched::new(machine, &functions, scenario.seconds, &mut random);
    let mut next_pid = 1_000 + functions.len() as u32;
    let mut phases = vec![1.0; functions.len()];
    // Longer than counts: meters tell of the end a little later.
    let steps = ((scenario.seconds + AFTERWARDS) / STEP) as usize;
    for step in 0..steps {
        let now = step as f64 * STEP;
        for (number, function) in functions.iter().enumerate() {
            if random.random_range(0.0..1.0) < STEP / PHASE {
                phases[number] = 1.0 + function.swing * random.random_range(-1.0..1.0);
            }
            let is_active = (function.active.0..function.active.1).contains(&now);
            if is_active && random.random_range(0.0..1.0) < function.rate * STEP {
                next_pid += u32::from(function.forks);
                let pid = if function.forks { next_pid } else { 1_000 + number as u32 };
                let length = random.random_range(function.length.0..function.length.1);
                scheduler.add(Job::new(number, pid, length, now));
            }
        }
        let (ran, done) = scheduler.step(&watched.machine);
        let ran: Vec<Ran> = ran
            .iter()
            .map(|(cpu, job, fraction)| Ran { cpu: *cpu, function: job.function, pid: job.pid, fraction: *fraction })
            .collect();
        watched.step(&ran, &functions, &phases, &mut random);
        for job in done.iter().filter(|job| functions[job.function].forks) {
            watched.finished(job);
        }
        if watched.steps.is_multiple_of(WINDOW) {
            watched.end_window(scheduler.processes(&functions));
        }
    }
    watched.run
}

/// What ran on a CPU in a step, and for what part of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ran {
    pub(super) cpu: usize,
    pub(super) function: usize,
    pub(super) pid: u32,
    pub(super) fraction: f64,
}

/// A machine and its meters while it runs.
pub(super) struct Watched {
    pub(super) machine: Machine,
    pub(super) run: Run,
    /// How many there were.
    pub(super) steps: usize,
    rapl: Rapl,
    meter: NodeMeter,
    window: Window,
    /// Datagrams on their way, with when they arrive.
    late: Vec<(u64, Value)>,
    rapl_before: f64,
    charge_seen: f64,
    node_seen: f64,
}

impl Watched {
    /// Before anything ran; so many seconds count.
    pub(super) fn new(machine: Machine, functions: &[Function], seconds: f64, random: &mut SmallRng) -> Self {
        let volts = if machine.cpus.len() == 8 { 5.0 } else { 230.0 };
        let rapl = Rapl::new(machine.packages);
        let mut run = Run {
            functions: functions.iter().map(|function| function.name.clone()).collect(),
            cpus: machine.cpus.len(),
            cores: machine.cpus.iter().map(|cpu| cpu.core).collect(),
            volts,
            windows: Vec::new(),
            truth: Truth::new(functions.len(), seconds),
            lines: vec![(Kind::Always, header(&machine))],
        };
        run.lines.extend(rapl.read(0).map(|line| (Kind::Rapl, line)));
        Self {
            meter: NodeMeter::new(volts, random),
            machine,
            run,
            steps: 0,
            rapl,
            window: Window::default(),
            late: Vec::new(),
            rapl_before: 0.0,
            charge_seen: 0.0,
            node_seen: 0.0,
        }
    }

    /// Goes on by a step in which this ran.
    pub(super) fn step(&mut self, ran: &[Ran], functions: &[Function], phases: &[f64], random: &mut SmallRng) {
        let now = self.steps as f64 * STEP;
        let running: Vec<Running> = ran
            .iter()
            .map(|ran| {
                let function = &functions[ran.function];
                let intensity = function.intensity * phases[ran.function];
                Running {
                    cpu: ran.cpu,
                    function: ran.function,
                    fraction: ran.fraction,
                    intensity,
                    memory: function.memory,
                    wide: ran.function.is_multiple_of(2),
                }
            })
            .collect();
        let disk = if random.random_range(0.0..1.0) < 0.02 { 2.0 } else { 0.0 };
        let power = self.machine.step(&running, functions.len(), disk);
        self.run.truth.add((now / BIN_SECONDS) as usize, &power);
        self.rapl.step(&power.packages, random);
        if let Some(line) = self.meter.step(power.node, now + STEP, random) {
            let charge = line["esp32"]["charge_mas"].as_f64().unwrap_or_default();
            self.node_seen += (charge - self.charge_seen) * self.run.volts / 1e3;
            self.charge_seen = charge;
            self.late.push((line["at_ns"].as_u64().unwrap_or_default(), line));
        }
        for (ran, counted) in ran.iter().zip(&power.counted) {
            let same = |usage: &Usage| usage.pid == ran.pid && usage.cpu == ran.cpu;
            let place = self.window.usages.iter().position(same).unwrap_or_else(|| {
                let (function, pid, cpu) = (ran.function, ran.pid, ran.cpu);
                self.window.usages.push(Usage { function, pid, cpu, seconds: 0.0, counted: Counted::default() });
                self.window.usages.len() - 1
            });
            let usage = &mut self.window.usages[place];
            usage.seconds += ran.fraction * STEP;
            usage.counted.cycles += counted.cycles;
            usage.counted.instructions += counted.instructions;
        }
        self.steps += 1;
    }

    /// A job that was a process, and an invocation, has ended in the step that was last. Its name says of which function it is,
    /// and when it ended.
    fn finished(&mut self, job: &Job) {
        let now = self.steps as f64 * STEP;
        let at = (now * 1e9) as u64;
        let name = &self.run.functions[job.function];
        let invocation = json!({
            "id": invocation_id(job.function, now, job.pid), "function": name, "cgroup": cgroup(name), "pid": job.pid,
            "start_ns": (job.came * 1e9) as u64, "end_ns": at,
        });
        self.run.lines.push((Kind::Always, json!({ "at_ns": at, "exit": { "pid": job.pid } })));
        self.run.lines.push((Kind::Always, json!({ "at_ns": at, "invocation": invocation })));
    }

    /// Ends a window with the last step; these processes are there.
    pub(super) fn end_window(&mut self, living: Vec<u32>) {
        let at = self.steps as u64 * 1_000_000;
        for (_, line) in self.late.extract_if(.., |(arrives, _)| *arrives <= at) {
            self.run.lines.push((Kind::Node, line));
            self.window.node += std::mem::take(&mut self.node_seen);
        }
        self.run.lines.extend(self.rapl.read(at).map(|line| (Kind::Rapl, line)));
        for (kind, counts) in [(Kind::Counted, true), (Kind::Plain, false)] {
            self.run.lines.push((kind, activity(&self.window, at, &self.run, counts)));
        }
        let shown: f64 = self.rapl.shown().iter().sum();
        self.window.rapl = shown - self.rapl_before;
        self.rapl_before = shown;
        self.window.living = living;
        self.run.windows.push(std::mem::take(&mut self.window));
    }
}

fn invocation_id(function: usize, ended: f64, pid: u32) -> String {
    format!("{function}/{}/{pid}", (ended / BIN_SECONDS) as usize)
}

/// Of which function an invocation was, and in which bin it ended.
pub(super) fn invocation_of(id: &str) -> Option<(usize, usize)> {
    let (function, rest) = id.split_once('/')?;
    Some((function.parse().ok()?, rest.split_once('/')?.0.parse().ok()?))
}

fn cgroup(function: &str) -> String {
    if function == "system" { SYSTEM.to_owned() } else { format!("/functions/{function}") }
}

pub(super) fn system() -> Function {
    Function {
        name: "system".into(),
        intensity: 0.9,
        swing: 0.1,
        memory: 0.4,
        rate: 20.0,
        length: (0.5, 3.0),
        active: (0.0, f64::INFINITY),
        forks: false,
    }
}

fn header(machine: &Machine) -> Value {
    let kind = |small: bool| if small { "efficiency" } else { "performance" };
    let cpus: Vec<Value> = machine
        .cpus
        .iter()
        .enumerate()
        .map(|(cpu, of)| json!({ "cpu": cpu, "package": of.package, "core": of.core, "kind": kind(of.small) }))
        .collect();
    json!({ "prony_trace": 1, "node": "simulated", "cpus": cpus })
}

/// A process in a window: nanoseconds by CPU, and what was counted.
struct Consumer {
    pid: u32,
    function: usize,
    times: Vec<(usize, u64)>,
    counted: Counted,
}

fn activity(window: &Window, to: u64, run: &Run, counts: bool) -> Value {
    let length = WINDOW as f64 * STEP;
    let nanoseconds = |seconds: f64| (seconds * 1e9).round() as u64;
    let mut idle = vec![length; run.cpus];
    let mut consumers: Vec<Consumer> = Vec::new();
    for usage in &window.usages {
        idle[usage.cpu] -= usage.seconds;
        let place = consumers.iter().position(|it| it.pid == usage.pid).unwrap_or_else(|| {
            let (pid, function) = (usage.pid, usage.function);
            consumers.push(Consumer { pid, function, times: Vec::new(), counted: Counted::default() });
            consumers.len() - 1
        });
        let consumer = &mut consumers[place];
        consumer.times.push((usage.cpu, nanoseconds(usage.seconds)));
        consumer.counted.cycles += usage.counted.cycles;
        consumer.counted.instructions += usage.counted.instructions;
    }
    let idle: Vec<Value> =
        idle.iter().enumerate().map(|(cpu, time)| json!([cpu, nanoseconds(time.max(0.0))])).collect();
    let line = |Consumer { pid, function, times, counted }: Consumer| {
        let name = &run.functions[function];
        let mut line = json!({ "cgroup": cgroup(name), "pid": pid, "comm": name, "cpu_ns": times });
        if counts {
            let whole = |billions: f64| (billions * 1e9).round() as u64;
            line["counters"] = json!({ "cycles": whole(counted.cycles), "instructions": whole(counted.instructions) });
        }
        line
    };
    let consumers: Vec<Value> = consumers.into_iter().map(line).collect();
    let activity = json!({ "from_ns": to - nanoseconds(length), "to_ns": to, "idle_ns": idle, "consumers": consumers });
    json!({ "at_ns": to, "activity": activity })
}
