//! The methods of other systems, written from their documented formulas. Each sees what its system sees.

use std::collections::BTreeMap;

use super::estimate::Energies;
use super::run::{Run, Window};
use super::smartwatts::smartwatts;
use super::truth::BIN_SECONDS;

/// A method of attribution.
#[derive(Clone, Copy, Debug)]
pub struct Method {
    /// Its name.
    pub name: &'static str,
    /// Whether it is about the whole machine, or else about packages.
    pub of_node: bool,
    /// What it says of a run.
    pub energies: fn(&Run) -> Energies,
}

/// All of them. Only `SmartWatts` sees hardware counters.
pub const METHODS: &[Method] = &[
    Method { name: "notebook", of_node: true, energies: notebook },
    Method { name: "Kepler", of_node: false, energies: kepler },
    Method { name: "Scaphandre", of_node: false, energies: scaphandre },
    Method { name: "DEEP-mon", of_node: false, energies: deep_mon },
    Method { name: "SmartWatts, by counters", of_node: false, energies: smartwatts },
];

const WINDOW_SECONDS: f64 = 0.1;
/// How often Kepler looks at processes, windows.
const KEPLER_POLL: usize = 50;
/// What a thread of DEEP-mon is charged while its sibling is busy, against a core to itself.
const DEEP_MON_OVERLAP: f64 = 11.0 / 20.0;

fn empty(run: &Run) -> Energies {
    vec![vec![0.0; run.functions.len()]; (run.windows.len() as f64 * WINDOW_SECONDS / BIN_SECONDS).ceil() as usize]
}

fn bin(window: usize) -> usize {
    (window as f64 * WINDOW_SECONDS / BIN_SECONDS) as usize
}

/// CPU seconds of each function.
fn cpu_seconds<'a>(run: &Run, windows: impl IntoIterator<Item = &'a Window>) -> Vec<f64> {
    let mut seconds = vec![0.0; run.functions.len()];
    for usage in windows.into_iter().flat_map(|window| &window.usages) {
        seconds[usage.function] += usage.seconds;
    }
    seconds
}

/// All that the node used, by CPU time, over windows of 10 s.
fn notebook(run: &Run) -> Energies {
    let mut energies = empty(run);
    for (bin, windows) in run.windows.chunks((BIN_SECONDS / WINDOW_SECONDS) as usize).enumerate() {
        let seconds = cpu_seconds(run, windows);
        let (all, energy) = (seconds.iter().sum::<f64>(), windows.iter().map(|window| window.node).sum::<f64>());
        for (function, seconds) in seconds.iter().enumerate() {
            energies[bin][function] = energy * seconds / all;
        }
    }
    energies
}

/// Every 5 s: energy times the share of time that CPUs were busy, by CPU time of the processes that are there then.
fn kepler(run: &Run) -> Energies {
    let mut energies = empty(run);
    let mut since_start = BTreeMap::<u32, (usize, f64)>::new();
    let mut before = BTreeMap::<u32, f64>::new();
    for (poll, windows) in run.windows.chunks(KEPLER_POLL).enumerate() {
        for usage in windows.iter().flat_map(|window| &window.usages) {
            since_start.entry(usage.pid).or_insert((usage.function, 0.0)).1 += usage.seconds;
        }
        let busy: f64 = cpu_seconds(run, windows).iter().sum();
        let capacity = windows.len() as f64 * WINDOW_SECONDS * run.cpus as f64;
        let active = windows.iter().map(|window| window.rapl).sum::<f64>() * busy / capacity;
        let Some(last) = windows.last() else { continue };
        since_start.retain(|pid, _| last.living.contains(pid));
        let moved = |pid: &u32, now: f64| now - before.get(pid).copied().unwrap_or(0.0);
        let all: f64 = since_start.iter().map(|(pid, (_, now))| moved(pid, *now)).sum();
        for (pid, (function, now)) in &since_start {
            let share = if all > 0.0 { moved(pid, *now) / all } else { 0.0 };
            energies[bin(poll * KEPLER_POLL)][*function] += active * share;
        }
        before = since_start.iter().map(|(pid, (_, now))| (*pid, *now)).collect();
    }
    energies
}

/// The host's power times a process's share of all CPU time that there is, of processes that are there at the scrape.
fn scaphandre(run: &Run) -> Energies {
    let mut energies = empty(run);
    for (bin, windows) in run.windows.chunks((BIN_SECONDS / WINDOW_SECONDS) as usize).enumerate() {
        let Some(last) = windows.last() else { continue };
        let capacity = windows.len() as f64 * WINDOW_SECONDS * run.cpus as f64;
        let energy: f64 = windows.iter().map(|window| window.rapl).sum();
        let usages = windows.iter().flat_map(|window| &window.usages);
        for usage in usages.filter(|usage| last.living.contains(&usage.pid)) {
            energies[bin][usage.function] += energy * usage.seconds / capacity;
        }
    }
    energies
}

/// Every second: all energy of the packages by time on CPUs, in which time beside a busy sibling weighs less.
fn deep_mon(run: &Run) -> Energies {
    let mut energies = empty(run);
    for (second, windows) in run.windows.chunks(10).enumerate() {
        let mut weights = vec![0.0; run.functions.len()];
        for window in windows {
            let mut busy = vec![0.0; run.cpus];
            for usage in &window.usages {
                busy[usage.cpu] += usage.seconds;
            }
            for usage in &window.usages {
                let siblings = (0..run.cpus).filter(|cpu| *cpu != usage.cpu && run.cores[*cpu] == run.cores[usage.cpu]);
                let beside = (siblings.map(|cpu| busy[cpu]).sum::<f64>() / WINDOW_SECONDS).min(1.0);
                weights[usage.function] += usage.seconds * (1.0 - (1.0 - DEEP_MON_OVERLAP) * beside);
            }
        }
        let (all, energy) = (weights.iter().sum::<f64>(), windows.iter().map(|window| window.rapl).sum::<f64>());
        for (function, weight) in weights.iter().enumerate() {
            energies[bin(second * 10)][function] += if all > 0.0 { energy * weight / all } else { 0.0 };
        }
    }
    energies
}
