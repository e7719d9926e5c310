//! A machine on which what runs is what really ran elsewhere: activity as `prony record` has written it down, with simulated
//! power and meters.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use flate2::read::MultiGzDecoder;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use serde::Deserialize;

use super::machine::{Cpu, Machine, STEP};
use super::run::{Ran, Run, WINDOW, Watched, system};
use super::scenario::Function;
use super::truth::BIN_SECONDS;

/// A cgroup is a function if it has at least this part of all CPU time.
const LEAST_PART: f64 = 0.005;

#[derive(Deserialize)]
struct Line {
    #[serde(default)]
    cpus: Vec<CpuLine>,
    activity: Option<Activity>,
}

#[derive(Deserialize)]
struct CpuLine {
    cpu: usize,
    #[serde(default)]
    package: usize,
    #[serde(default)]
    core: usize,
    #[serde(default)]
    kind: String,
}

#[derive(Deserialize)]
struct Activity {
    from_ns: u64,
    to_ns: u64,
    consumers: Vec<Consumer>,
}

#[derive(Deserialize)]
struct Consumer {
    cgroup: String,
    pid: u32,
    cpu_ns: Vec<(usize, u64)>,
}

/// Lets what was recorded run again. The seed says how much power each cgroup's work draws.
///
/// # Errors
/// When the file cannot be read, is no trace, or too short.
pub fn recorded(path: &Path, seed: u64) -> Result<Run> {
    let said = || format!("cannot read {}", path.display());
    let mut text = String::new();
    if path.extension().is_some_and(|extension| extension == "gz") {
        MultiGzDecoder::new(File::open(path).with_context(said)?).read_to_string(&mut text).with_context(said)?;
    } else {
        File::open(path).with_context(said)?.read_to_string(&mut text).with_context(said)?;
    }
    let mut lines = text.lines().map(serde_json::from_str::<Line>);
    let header = lines.next().context("an empty file")??;
    let windows: Vec<Activity> = lines.filter_map(|line| line.ok()?.activity).collect();
    let seconds = windows.len() as f64 * WINDOW as f64 * STEP;
    let counted = (seconds / BIN_SECONDS).floor() * BIN_SECONDS - BIN_SECONDS;
    ensure!(counted >= 2.0 * BIN_SECONDS, "a recording of at least 40 s of windows of 100 ms is needed");

    let mut random = SmallRng::seed_from_u64(seed);
    let (functions, of_cgroup) = functions(&windows, &mut random);
    let mut places: Vec<usize> = header.cpus.iter().map(|cpu| cpu.cpu).collect();
    places.sort_unstable();
    let mut watched = Watched::new(machine(&header.cpus), &functions, counted, &mut random);
    let phases = vec![1.0; functions.len()];
    for window in &windows {
        let length = (window.to_ns - window.from_ns) as f64;
        // Who ran on a CPU ran one after the other, in steps.
        let mut queues: Vec<Vec<(usize, u32, f64)>> = vec![Vec::new(); places.len()];
        for consumer in &window.consumers {
            let function = of_cgroup.get(&consumer.cgroup).copied().unwrap_or(functions.len() - 1);
            for (cpu, time) in &consumer.cpu_ns {
                let Ok(place) = places.binary_search(cpu) else { continue };
                queues[place].push((function, consumer.pid, *time as f64 / length * WINDOW as f64));
            }
        }
        for queue in &mut queues {
            queue.reverse();
        }
        for _ in 0..WINDOW {
            let mut ran = Vec::new();
            for (cpu, queue) in queues.iter_mut().enumerate() {
                let mut room = 1.0;
                while let Some((function, pid, left)) = queue.last_mut().filter(|_| room > 1e-9) {
                    let fraction = left.min(room);
                    ran.push(Ran { cpu, function: *function, pid: *pid, fraction });
                    room -= fraction;
                    *left -= fraction;
                    if *left <= 1e-9 {
                        queue.pop();
                    }
                }
            }
            watched.step(&ran, &functions, &phases, &mut random);
        }
        let living = window.consumers.iter().map(|consumer| consumer.pid).collect();
        watched.end_window(living);
    }
    Ok(watched.run)
}

fn machine(cpus: &[CpuLine]) -> Machine {
    let mut cores: Vec<(usize, usize)> = cpus.iter().map(|cpu| (cpu.package, cpu.core)).collect();
    cores.sort_unstable();
    cores.dedup();
    let mut cpus: Vec<&CpuLine> = cpus.iter().collect();
    cpus.sort_by_key(|cpu| cpu.cpu);
    let core = |cpu: &CpuLine| cores.binary_search(&(cpu.package, cpu.core)).unwrap_or_default();
    let cpu = |cpu: &&CpuLine| Cpu { package: cpu.package, core: core(cpu), small: cpu.kind == "efficiency" };
    Machine::with(cpus.iter().map(cpu).collect(), 1.0)
}

/// The cgroups that count, each with power of its own, and the rest as the last; and the number of each.
fn functions(windows: &[Activity], random: &mut SmallRng) -> (Vec<Function>, BTreeMap<String, usize>) {
    let mut times = BTreeMap::<&str, u64>::new();
    for consumer in windows.iter().flat_map(|window| &window.consumers) {
        *times.entry(&consumer.cgroup).or_default() += consumer.cpu_ns.iter().map(|(_, time)| time).sum::<u64>();
    }
    let least = times.values().sum::<u64>() as f64 * LEAST_PART;
    let (mut functions, mut of_cgroup) = (Vec::new(), BTreeMap::new());
    for (cgroup, _) in times.into_iter().filter(|(_, time)| *time as f64 >= least) {
        of_cgroup.insert(cgroup.to_owned(), functions.len());
        let intensity = random.random_range(0.5..1.5);
        functions.push(Function {
            name: format!("f{}", functions.len()),
            intensity,
            memory: 1.6 - intensity,
            ..system()
        });
    }
    functions.push(system());
    (functions, of_cgroup)
}
