//! Which job runs on which CPU.

use std::collections::VecDeque;

use super::machine::Machine;
use super::scenario::Function;

/// How long a job runs before one that waits takes its CPU, steps.
const SLICE: u32 = 4;

/// A job that is not done.
#[derive(Clone, Copy, Debug)]
pub(super) struct Job {
    pub(super) function: usize,
    /// Process, from 1.
    pub(super) pid: u32,
    /// CPU time that is left, in steps.
    pub(super) left: f64,
    /// When it came, seconds.
    pub(super) came: f64,
    ran: u32,
}

impl Job {
    pub(super) fn new(function: usize, pid: u32, steps: f64, came: f64) -> Self {
        Self { function, pid, left: steps, came, ran: 0 }
    }
}

/// Runs jobs where there is room: on an idle core first, then beside another.
#[derive(Debug)]
pub(super) struct Scheduler {
    /// What runs on each CPU.
    running: Vec<Option<Job>>,
    waiting: VecDeque<Job>,
}

impl Scheduler {
    pub(super) fn new(machine: &Machine) -> Self {
        Self { running: vec![None; machine.cpus.len()], waiting: VecDeque::new() }
    }

    pub(super) fn add(&mut self, job: Job) {
        self.waiting.push_back(job);
    }

    /// One step: what has run where, for what part of it, and the jobs that are done.
    pub(super) fn step(&mut self, machine: &Machine) -> (Vec<(usize, Job, f64)>, Vec<Job>) {
        while !self.waiting.is_empty() {
            let Some(cpu) = self.free(machine) else { break };
            self.running[cpu] = self.waiting.pop_front();
        }
        let (mut ran, mut done) = (Vec::new(), Vec::new());
        for cpu in 0..self.running.len() {
            let Some(job) = &mut self.running[cpu] else { continue };
            let fraction = job.left.min(1.0);
            job.left -= fraction;
            job.ran += 1;
            ran.push((cpu, *job, fraction));
            let (is_done, is_over) = (job.left <= 0.0, job.ran >= SLICE && !self.waiting.is_empty());
            if is_done {
                done.push(*job);
                self.running[cpu] = None;
            } else if is_over {
                let job = Job { ran: 0, ..*job };
                self.running[cpu] = self.waiting.pop_front();
                self.waiting.push_back(job);
            }
        }
        (ran, done)
    }

    /// The processes that are there: those of jobs, and of functions that have one for all.
    pub(super) fn processes(&self, functions: &[Function]) -> Vec<u32> {
        let jobs = self.running.iter().flatten().chain(&self.waiting).map(|job| job.pid);
        let servers = (1_000..).zip(functions).filter(|(_, function)| !function.forks).map(|(pid, _)| pid);
        let mut all: Vec<u32> = jobs.chain(servers).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    fn free(&self, machine: &Machine) -> Option<usize> {
        let beside = |cpu: usize| {
            let core = machine.cpus[cpu].core;
            let is_busy = |other: &usize| machine.cpus[*other].core == core && self.running[*other].is_some();
            (0..self.running.len()).filter(is_busy).count()
        };
        let load = |package: usize| {
            (0..self.running.len())
                .filter(|cpu| machine.cpus[*cpu].package == package && self.running[*cpu].is_some())
                .count()
        };
        (0..self.running.len())
            .filter(|cpu| self.running[*cpu].is_none())
            .min_by_key(|&cpu| (beside(cpu), machine.cpus[cpu].small, load(machine.cpus[cpu].package), cpu))
    }
}
