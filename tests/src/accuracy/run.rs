//! A scenario as it runs: what the agent would see of it, what others would see, and the truth.

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};

use super::machine::{Running, STEP};
use super::scenario::{Function, Scenario};
use super::scheduler::{Job, Scheduler};
use super::sensors::{Meters, NodeMeter, Rapl};
use super::truth::{BIN_SECONDS, Truth};

/// How many steps a window has.
const WINDOW: usize = 100;
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
            Meters::All => true,
            Meters::Rapl => kind != Kind::Node,
            Meters::Node => kind != Kind::Rapl,
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
    let mut machine = (scenario.machine)();
    let mut functions = (scenario.functions)();
    functions.push(system());
    let count = functions.len();
    let mut scheduler = Scheduler::new(&machine);
    let (mut rapl, volts) = (Rapl::new(machine.packages), if machine.cpus.len() == 8 { 5.0 } else { 230.0 });
    let mut meter = NodeMeter::new(volts, &mut random);
    let mut next_pid = 1_000 + count as u32;
    let mut phases = vec![1.0; count];
    // Longer than counts: meters tell of the end a little later.
    let steps = ((scenario.seconds + AFTERWARDS) / STEP) as usize;
    let mut run = Run {
        functions: functions.iter().map(|function| function.name.clone()).collect(),
        cpus: machine.cpus.len(),
        cores: machine.cpus.iter().map(|cpu| cpu.core).collect(),
        volts,
        windows: Vec::new(),
        truth: Truth::new(count, scenario.seconds),
        lines: vec![(Kind::Always, header(&machine))],
    };
    run.lines.extend(rapl.read(0).map(|line| (Kind::Rapl, line)));
    let mut window = Window::default();
    let (mut rapl_before, mut late) = (0.0, Vec::<(u64, Value)>::new());
    let (mut node_seen, mut charge_seen) = (0.0, 0.0);
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
                scheduler.add(Job::new(number, pid, length));
            }
        }
        let (ran, done) = scheduler.step(&machine);
        let running: Vec<Running> = ran
            .iter()
            .map(|(cpu, job, fraction)| {
                let function = &functions[job.function];
                let intensity = function.intensity * phases[job.function];
                Running { cpu: *cpu, function: job.function, fraction: *fraction, intensity, memory: function.memory }
            })
            .collect();
        let disk = if random.random_range(0.0..1.0) < 0.02 { 2.0 } else { 0.0 };
        let power = machine.step(&running, count, disk);
        run.truth.add((now / BIN_SECONDS) as usize, &power);
        rapl.step(&power.packages, &mut random);
        if let Some(line) = meter.step(power.node, now + STEP, &mut random) {
            let charge = line["esp32"]["charge_mas"].as_f64().unwrap_or_default();
            node_seen += (charge - charge_seen) * volts / 1e3;
            charge_seen = charge;
            late.push((line["at_ns"].as_u64().unwrap_or_default(), line));
        }
        for (cpu, job, fraction) in &ran {
            let same = |usage: &&mut Usage| usage.pid == job.pid && usage.cpu == *cpu;
            if let Some(usage) = window.usages.iter_mut().find(same) {
                usage.seconds += fraction * STEP;
            } else {
                let seconds = fraction * STEP;
                window.usages.push(Usage { function: job.function, pid: job.pid, cpu: *cpu, seconds });
            }
        }
        for job in done.iter().filter(|job| functions[job.function].forks) {
            let at = ((now + STEP) * 1e9) as u64;
            run.lines.push((Kind::Always, json!({ "at_ns": at, "exit": { "pid": job.pid } })));
        }
        if step % WINDOW == WINDOW - 1 {
            let at = (step as u64 + 1) * 1_000_000;
            late.retain(|(arrives, line)| {
                let is_here = *arrives <= at;
                if is_here {
                    run.lines.push((Kind::Node, line.clone()));
                    window.node += std::mem::take(&mut node_seen);
                }
                !is_here
            });
            run.lines.extend(rapl.read(at).map(|line| (Kind::Rapl, line)));
            run.lines.push((Kind::Always, activity(&window, at, &run)));
            let shown: f64 = rapl.shown().iter().sum();
            window.rapl = shown - rapl_before;
            rapl_before = shown;
            window.living = scheduler.processes(&functions);
            run.windows.push(std::mem::take(&mut window));
        }
    }
    run
}

fn cgroup(function: &str) -> String {
    if function == "system" { SYSTEM.to_owned() } else { format!("/functions/{function}") }
}

fn system() -> Function {
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

fn header(machine: &super::Machine) -> Value {
    let kind = |small: bool| if small { "efficiency" } else { "performance" };
    let cpus: Vec<Value> = machine
        .cpus
        .iter()
        .enumerate()
        .map(|(cpu, of)| json!({ "cpu": cpu, "package": of.package, "core": of.core, "kind": kind(of.small) }))
        .collect();
    json!({ "prony_trace": 1, "node": "simulated", "cpus": cpus })
}

fn activity(window: &Window, to: u64, run: &Run) -> Value {
    let length = WINDOW as f64 * STEP;
    let nanoseconds = |seconds: f64| (seconds * 1e9).round() as u64;
    let mut idle = vec![length; run.cpus];
    let mut consumers: Vec<(u32, Value)> = Vec::new();
    for usage in &window.usages {
        idle[usage.cpu] -= usage.seconds;
        let time = json!([usage.cpu, nanoseconds(usage.seconds)]);
        if let Some((_, consumer)) = consumers.iter_mut().find(|(pid, _)| *pid == usage.pid)
            && let Some(times) = consumer["cpu_ns"].as_array_mut()
        {
            times.push(time);
            continue;
        }
        let name = &run.functions[usage.function];
        consumers
            .push((usage.pid, json!({ "cgroup": cgroup(name), "pid": usage.pid, "comm": name, "cpu_ns": [time] })));
    }
    let idle: Vec<Value> =
        idle.iter().enumerate().map(|(cpu, time)| json!([cpu, nanoseconds(time.max(0.0))])).collect();
    let consumers: Vec<Value> = consumers.into_iter().map(|(_, consumer)| consumer).collect();
    let activity = json!({ "from_ns": to - nanoseconds(length), "to_ns": to, "idle_ns": idle, "consumers": consumers });
    json!({ "at_ns": to, "activity": activity })
}
