//! What runs.

use super::machine::Machine;

/// A function and its jobs.
#[derive(Clone, Debug)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// How much its instructions switch; 1 is usual.
    pub intensity: f64,
    /// How much that goes up and down with its phases.
    pub swing: f64,
    /// How much memory traffic it makes; 1 is much.
    pub memory: f64,
    /// Jobs a second, at random.
    pub rate: f64,
    /// CPU time of a job, milliseconds: from and to, evenly.
    pub length: (f64, f64),
    /// When its jobs come, seconds.
    pub active: (f64, f64),
    /// Whether each job is a process of its own.
    pub forks: bool,
}

/// A mix of functions on a machine.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// Its name.
    pub name: &'static str,
    /// The machine.
    pub machine: fn() -> Machine,
    /// The functions.
    pub functions: fn() -> Vec<Function>,
    /// How long the machine runs, seconds.
    pub seconds: f64,
    /// From when on errors count, seconds: before, methods may learn.
    pub counted_from: f64,
}

/// All of them.
pub const SCENARIOS: &[Scenario] = &[
    scenario("equal intensities", Machine::desktop, equal),
    scenario("unequal intensities", Machine::desktop, unequal),
    scenario("unequal, two packages", Machine::server, unequal),
    scenario("unequal, big and small cores", Machine::board, unequal),
    scenario("bursts", Machine::desktop, bursts),
    scenario("short invocations", Machine::desktop, short),
    scenario("a noisy neighbour", Machine::desktop, noisy),
    scenario("an idle machine", Machine::desktop, idle),
    scenario("all busy", Machine::desktop, busy),
    scenario("arrivals and departures", Machine::desktop, arrivals),
];

const fn scenario(name: &'static str, machine: fn() -> Machine, functions: fn() -> Vec<Function>) -> Scenario {
    Scenario { name, machine, functions, seconds: 120.0, counted_from: 60.0 }
}

fn function(number: usize, rate: f64, length: (f64, f64)) -> Function {
    Function {
        name: format!("f{number}"),
        intensity: 1.0,
        swing: 0.0,
        memory: 0.3,
        rate,
        length,
        active: (0.0, f64::INFINITY),
        forks: false,
    }
}

/// Rates, with jobs of 20 to 400 ms: between 0.1 and 0.9 CPUs.
const RATES: [f64; 6] = [0.5, 1.0, 1.5, 2.5, 3.5, 4.5];

fn equal() -> Vec<Function> {
    (0..6).map(|number| function(number, RATES[number], (20.0, 400.0))).collect()
}

/// By a factor of three, and unequal in memory traffic, with phases.
fn unequal() -> Vec<Function> {
    let intensities = [1.5, 0.6, 1.0, 0.5, 1.4, 0.8];
    let with = |(function, intensity): (Function, f64)| Function {
        intensity,
        memory: 1.6 - intensity,
        swing: 0.08,
        ..function
    };
    equal().into_iter().zip(intensities).map(with).collect()
}

fn bursts() -> Vec<Function> {
    let with = |(number, function): (usize, Function)| {
        Function { rate: 0.15, length: (1_500.0, 4_000.0), ..function }.with_intensity([1.4, 0.7][number % 2])
    };
    unequal().into_iter().enumerate().map(with).collect()
}

fn short() -> Vec<Function> {
    let kinds =
        [(1.5, 30.0, (4.0, 6.0)), (0.6, 20.0, (8.0, 12.0)), (1.0, 20.0, (18.0, 22.0)), (0.8, 12.0, (40.0, 60.0))];
    let kind = |(number, (intensity, rate, length)): (usize, (f64, f64, (f64, f64)))| {
        let function = function(number, rate, length).with_intensity(intensity);
        Function { forks: true, ..function }
    };
    kinds.into_iter().enumerate().map(kind).collect()
}

fn noisy() -> Vec<Function> {
    let mut functions = unequal();
    functions[3] = Function { rate: 4.0, length: (800.0, 1_200.0), ..functions[3].clone() };
    functions
}

fn idle() -> Vec<Function> {
    (0..4).map(|number| function(number, 0.2 + 0.2 * number as f64, (5.0, 20.0))).collect()
}

fn busy() -> Vec<Function> {
    unequal().into_iter().map(|function| Function { rate: 12.0, length: (100.0, 400.0), ..function }).collect()
}

fn arrivals() -> Vec<Function> {
    let with = |(number, function): (usize, Function)| {
        let from = 15.0 * number as f64;
        Function { rate: 3.0, active: (from, from + 50.0), ..function }
    };
    unequal().into_iter().enumerate().map(with).collect()
}

impl Function {
    fn with_intensity(self, intensity: f64) -> Self {
        Self { intensity, memory: 1.6 - intensity, swing: 0.08, ..self }
    }
}
