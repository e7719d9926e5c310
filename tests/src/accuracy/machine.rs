//! A machine and what it draws.

/// How long a step of the simulation is, seconds.
pub(super) const STEP: f64 = 1e-3;
/// Ambient temperature, degrees Celsius.
const AMBIENT: f64 = 25.0;
/// After how many seconds an idle machine has cooled down.
const REST: f64 = 120.0;
/// What a clock of 1 is, GHz.
const TOP_CLOCK: f64 = 4.0;
/// How fast a core's clock follows its load: part of the way in a step. Governors take some 10 ms.
const GOVERNOR: f64 = 0.1;

/// A hardware thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cpu {
    /// Its package.
    pub package: usize,
    /// Its core; siblings share it.
    pub core: usize,
    /// Whether the core is one of the small ones.
    pub small: bool,
}

/// A machine.
#[derive(Clone, Debug)]
pub struct Machine {
    /// Its hardware threads.
    pub cpus: Vec<Cpu>,
    /// How many packages.
    pub packages: usize,
    /// How much it is of a desktop: a factor for all power.
    scale: f64,
    clocks: Vec<f64>,
    temperatures: Vec<f64>,
    /// What it draws when it has been idle for long, watts: each package, and all of it.
    idle: (Vec<f64>, f64),
}

/// What runs on a CPU in a step.
#[derive(Clone, Copy, Debug)]
pub(super) struct Running {
    pub(super) cpu: usize,
    pub(super) function: usize,
    /// What part of the step.
    pub(super) fraction: f64,
    /// How much its instructions switch; 1 is usual.
    pub(super) intensity: f64,
    /// How much memory traffic it makes; 1 is much.
    pub(super) memory: f64,
    /// Whether it switches more because its instructions are wider, and not because there are more of them.
    pub(super) wide: bool,
}

/// Power in a step, watts.
#[derive(Clone, Debug)]
pub(super) struct Power {
    pub(super) packages: Vec<f64>,
    pub(super) node: f64,
    /// What each function's work draws in packages, and of the node, above what the idle machine draws.
    pub(super) package_of: Vec<f64>,
    pub(super) node_of: Vec<f64>,
    /// What the processor counts of each that runs.
    pub(super) counted: Vec<Counted>,
}

/// What a processor's counters count, billions.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counted {
    /// Cycles that a thread was not halted.
    pub cycles: f64,
    /// Instructions.
    pub instructions: f64,
}

impl Machine {
    /// A desktop: one package, six cores with two threads each, 8 to 90 W.
    pub fn desktop() -> Self {
        Self::new(1, 6, 2, 0, 1.0)
    }

    /// A server: two packages of eight cores with two threads each.
    pub fn server() -> Self {
        Self::new(2, 8, 2, 0, 1.0)
    }

    /// A board: four big and four small cores without siblings, 2 to 8 W.
    pub fn board() -> Self {
        Self::new(1, 4, 1, 4, 0.09)
    }

    fn new(packages: usize, big: usize, threads: usize, small: usize, scale: f64) -> Self {
        let mut cpus = Vec::new();
        for thread in 0..threads {
            for package in 0..packages {
                let cores = big + small;
                let here = (0..cores).filter(|core| thread == 0 || *core < big);
                cpus.extend(here.map(|core| Cpu { package, core: package * cores + core, small: core >= big }));
            }
        }
        Self::with(cpus, scale)
    }

    /// A desktop or server with these CPUs; cores are numbered from 0, without gaps.
    pub(super) fn with(cpus: Vec<Cpu>, scale: f64) -> Self {
        let most = |number: fn(&Cpu) -> usize| cpus.iter().map(number).max().map_or(0, |most| most + 1);
        let (packages, cores) = (most(|cpu| cpu.package), most(|cpu| cpu.core));
        let (clocks, temperatures) = (vec![0.4; cores], vec![AMBIENT + 10.0; packages]);
        let mut machine = Self { cpus, packages, scale, clocks, temperatures, idle: (vec![0.0; packages], 0.0) };
        let mut resting = machine.clone();
        for _ in 0..(REST / STEP) as usize {
            let power = resting.step(&[], 0, 0.0);
            machine.idle = (power.packages, power.node);
        }
        machine
    }

    /// Goes on by a step in which this runs.
    pub(super) fn step(&mut self, running: &[Running], functions: usize, disk: f64) -> Power {
        let mut packages = vec![0.0; self.packages];
        let (mut package_of, mut memory_of) = (vec![0.0; functions], vec![0.0; functions]);
        let mut of_all = vec![0.0; functions];
        let mut counted = vec![Counted::default(); running.len()];
        let cores = self.clocks.len();
        let mut busy = vec![0.0_f64; cores];
        for it in running {
            busy[self.cpus[it.cpu].core] += it.fraction;
        }
        for package in 0..self.packages {
            let mine = |core: &usize| self.cpus.iter().any(|cpu| cpu.core == *core && cpu.package == package);
            let active: f64 = (0..cores).filter(mine).map(|core| busy[core].min(1.0)).sum();
            let all = (0..cores).filter(mine).count() as f64;
            // Few busy cores clock higher than all (turbo).
            let top = 1.0 - 0.18 * (active - 1.0).max(0.0) / all;
            for core in (0..cores).filter(mine) {
                let wanted = if busy[core] > 0.0 { top } else { 0.4 };
                self.clocks[core] += GOVERNOR * (wanted - self.clocks[core]);
            }
            // The uncore wakes with the first core and then grows slowly.
            let uncore = 5.0 * (1.0 - (-active / 1.5).exp());
            let runs_here = |it: &Running| self.cpus[it.cpu].package == package;
            let time: f64 = running.iter().filter(|it| runs_here(it)).map(|it| it.fraction).sum();
            let mut mine = vec![0.0; functions];
            for (it, counted) in running.iter().zip(&mut counted).filter(|(it, _)| runs_here(it)) {
                let cpu = self.cpus[it.cpu];
                let clock = self.clocks[cpu.core];
                let volts = 0.65 + 0.45 * clock;
                // Two threads on a core get about 60 % each.
                let shared = (busy[cpu.core] - it.fraction).clamp(0.0, 1.0);
                let throughput = it.fraction * (1.0 - 0.4 * shared);
                // Memory makes threads wait.
                let per_cycle = 2.0 / (1.0 + it.memory) * if it.wide { 1.0 } else { 0.5 + 0.5 * it.intensity };
                *counted = Counted {
                    cycles: TOP_CLOCK * clock * it.fraction * STEP,
                    instructions: TOP_CLOCK * clock * per_cycle * throughput * STEP,
                };
                let size = if cpu.small { 0.3 } else { 1.0 };
                let switching = 7.5 * size * it.intensity * volts * volts * clock * throughput;
                let awake = 0.8 * size * it.fraction / busy[cpu.core].max(1.0);
                mine[it.function] += switching + awake + uncore * it.fraction / time;
                memory_of[it.function] += 2.2 * it.memory * throughput;
                packages[package] += switching + awake;
            }
            packages[package] += if time > 0.0 { uncore } else { 0.0 };
            let leakage = 4.0 * (1.0 + 0.008 * (self.temperatures[package] - 40.0));
            packages[package] += leakage + 1.5;
            // What leaks because work has heated the package is that work's.
            let above_idle = packages[package] - self.idle.0[package] / self.scale;
            share_out(above_idle, &mine, &mut package_of);
            for (sum, mine) in of_all.iter_mut().zip(mine) {
                *sum += mine;
            }
            // Heats up by 0.6 K a watt within 15 s.
            let steady = AMBIENT + 0.6 * packages[package];
            self.temperatures[package] += STEP / 15.0 * (steady - self.temperatures[package]);
        }
        let memory: f64 = memory_of.iter().sum::<f64>() + 1.2;
        let fan = 0.02 * (self.temperatures.iter().copied().fold(0.0, f64::max) - 40.0).max(0.0);
        let direct = (packages.iter().sum::<f64>() + memory + 6.0 + fan + disk) * self.scale;
        let node = Self::drawn(direct, self.scale);
        for power in packages.iter_mut().chain(&mut package_of) {
            *power *= self.scale;
        }
        for (sum, memory) in of_all.iter_mut().zip(memory_of) {
            *sum += memory;
        }
        let mut node_of = vec![0.0; functions];
        share_out(node - self.idle.1, &of_all, &mut node_of);
        Power { packages, node, package_of, node_of, counted }
    }

    /// What a supply takes to give so many watts: it is bad at small loads.
    fn drawn(direct: f64, scale: f64) -> f64 {
        direct / (0.91 - 0.15 * (-direct / (18.0 * scale)).exp())
    }
}

/// Shares power above idle out by what each has drawn; that of a machine that is only warm yet is nobody's.
fn share_out(power: f64, drawn: &[f64], to: &mut [f64]) {
    let whole: f64 = drawn.iter().sum();
    for (to, drawn) in to.iter_mut().zip(drawn).filter(|_| whole > 0.0) {
        *to += power * drawn / whole;
    }
}
