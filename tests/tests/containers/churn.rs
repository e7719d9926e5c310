//! Containers that come and go by the hundreds a second, as cgroups with a process each: no runtime is so quick.

use std::env;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use prony_tests::{
    Agent, DockerEngine, Samples, TestCgroup, assert_books, assert_nothing_fell, needs_agent, needs_bpf, needs_root,
    skip,
};

use crate::{ESTIMATE, LOAD, id};

/// How many seconds it goes on; a short while where it is not set.
const SECONDS: &str = "PRONY_CHURN_SECONDS";
const SHORT: u64 = 10;
const PER_SECOND: usize = 500;
const AT_ONCE: usize = 4;
const FUNCTIONS: usize = 4;
/// What each burns, in milliseconds.
const LIFE: f64 = 0.5;
/// Numbers of containers begin here; other tests have lower ones.
const FIRST: usize = 1_000;

/// What has been done.
#[derive(Default)]
struct Done {
    containers: [usize; FUNCTIONS],
    used: [Duration; FUNCTIONS],
}

/// Makes containers one after the other, each when its time has come, or at once where the machine is behind.
fn churn(engine: &DockerEngine, next: &AtomicUsize, begun: Instant, length: Duration) -> Result<Done> {
    let mut done = Done::default();
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let due = Duration::from_secs(1) * number as u32 / PER_SECOND as u32;
        thread::sleep(due.saturating_sub(begun.elapsed()));
        if begun.elapsed() >= length {
            return Ok(done);
        }
        let (id, function) = (id(FIRST + number), number % FUNCTIONS);
        let name = || engine.add(&id, &format!("churning-{function}"));
        let container = TestCgroup::container(&id)?;
        // Sometimes the name comes when the container has gone.
        if !number.is_multiple_of(4) {
            name();
        }
        let group = container.path().join("cgroup.procs");
        let life = Command::new(LOAD).args(["life", &LIFE.to_string()]).arg(group).stdout(Stdio::null()).status()?;
        ensure!(life.success(), "a life has failed");
        done.used[function] += container.usage()?;
        drop(container);
        if number.is_multiple_of(4) {
            name();
        }
        done.containers[function] += 1;
    }
}

/// Scrapes as Prometheus does, only more often; every scrape is checked.
fn watch(agent: &Agent, begun: Instant, length: Duration) -> Result<usize> {
    let (mut before, mut scrapes) = (agent.samples()?, 0);
    while begun.elapsed() < length {
        thread::sleep(Duration::from_secs(1));
        let now = agent.samples()?;
        assert_books(&now)?;
        assert_nothing_fell(&before, &now);
        (before, scrapes) = (now, scrapes + 1);
    }
    Ok(scrapes)
}

#[test]
fn hundreds_of_containers_a_second_lose_nothing() -> Result<()> {
    if let Some(reason) = needs_root().or_else(needs_bpf).or_else(needs_agent) {
        skip("hundreds_of_containers_a_second_lose_nothing", &reason);
        return Ok(());
    }
    let seconds = env::var(SECONDS).map_or(Ok(SHORT), |seconds| seconds.parse()).context(SECONDS)?;
    let length = Duration::from_secs(seconds);
    let engine = DockerEngine::start()?;
    let agent = Agent::builder().config(&format!("{ESTIMATE}{}", engine.config())).start()?;
    let (next, begun) = (AtomicUsize::new(0), Instant::now());
    let done = thread::scope(|scope| -> Result<Done> {
        let workers: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(|| churn(&engine, &next, begun, length))).collect();
        let scrapes = watch(&agent, begun, length);
        let mut all = Done::default();
        for worker in workers {
            let done = worker.join().expect("a worker has failed")?;
            all.containers.iter_mut().zip(done.containers).for_each(|(all, containers)| *all += containers);
            all.used.iter_mut().zip(done.used).for_each(|(all, used)| *all += used);
        }
        println!("{} containers in {seconds} s; {} scrapes", all.containers.iter().sum::<usize>(), scrapes?);
        Ok(all)
    })?;
    thread::sleep(Duration::from_secs(3));
    let samples = agent.samples()?;
    assert_books(&samples)?;
    check_functions(&samples, &done)
}

/// Bounds are what the lives have measured of themselves, and the kernel's count, which takes in what they did before
/// they moved.
fn check_functions(samples: &Samples, done: &Done) -> Result<()> {
    for (function, (used, containers)) in done.used.iter().zip(done.containers).enumerate() {
        let name = format!("churning-{function}");
        let billed = samples.sum("prony_function_cpu_seconds_total", &[("function", &name)]);
        let (least, most) = (containers as f64 * LIFE / 1e3, used.as_secs_f64());
        println!("{name}: {containers} containers were billed {billed:.3} s, between {least:.3} s and {most:.3} s");
        ensure!(billed >= 0.99 * least, "{name} was billed {billed} s of {least} s");
        ensure!(billed <= 1.01 * most, "{name} was billed {billed} s of {most} s");
    }
    let pending = samples.millionths("prony_function_pending_joules", &[])?;
    ensure!(pending == 0, "{pending} uJ have no name");
    Ok(())
}
