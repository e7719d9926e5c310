//! Clients that use up all descriptors the agent may have.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use prony_tests::{
    Agent, FakeRapl, Footprint, Samples, Stolen, TestCgroup, Zone, assert_books, assert_nothing_fell, needs_agent,
    needs_bpf, needs_root, skip, wait_until,
};
use rustix::param::clock_ticks_per_second;
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};

use crate::{counted, grpc, load};

const PATIENCE: Duration = Duration::from_secs(40);
/// How many more than it has the agent may open.
const FEW: usize = 6;
/// How many want to connect to each listener.
const CLIENTS: usize = 30;
/// What the counter moves meanwhile, and how often.
const STEP: u64 = 10_007;
const STEPS: u64 = 100;

#[test]
fn without_descriptors_the_agent_counts_on_and_answers_when_there_are_some() {
    if let Some(reason) = needs_root().or_else(needs_bpf).or_else(needs_agent) {
        return skip("descriptors::without_descriptors_the_agent_counts_on_and_answers_when_there_are_some", &reason);
    }
    used_up().unwrap();
}

fn crowd(server: SocketAddr) -> Result<Vec<TcpStream>> {
    (0..CLIENTS).map(|_| Ok(TcpStream::connect(server)?)).collect()
}

/// CPU time of a process: fields 14 and 15 of `proc_pid_stat(5)`.
fn cpu_seconds(pid: u32) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, fields) = stat.rsplit_once(") ").context("a name in parentheses")?;
    let ticks: Vec<f64> = fields.split(' ').skip(11).take(2).map(str::parse).collect::<Result<_, _>>()?;
    Ok(ticks.iter().sum::<f64>() / clock_ticks_per_second() as f64)
}

fn measured(samples: &Samples) -> Result<u64> {
    samples.millionths("prony_zone_measured_joules_total", &[("zone", Zone::Dram.label())])
}

fn used_up() -> Result<()> {
    let rapl = FakeRapl::new()?;
    let agent = Agent::builder().arguments(rapl.arguments()).arguments(["--window", "20ms"]).start()?;
    let begun = |samples: &Samples| measured(samples).is_ok() && samples.sum("prony_windows_total", &[]) > 10.0;
    let before = wait_until(PATIENCE, || agent.samples().ok().filter(begun)).context("no zone")?;
    let footprint = Footprint::of(agent.pid())?;
    let process = i32::try_from(agent.pid()).ok().and_then(Pid::from_raw).context("a process")?;
    let most = (footprint.descriptors + FEW) as u64;
    prlimit(Some(process), Resource::Nofile, Rlimit { current: Some(most), ..getrlimit(Resource::Nofile) })?;

    let clients = [crowd(agent.metrics_address())?, crowd(agent.grpc_address())?];
    let told = || agent.log().lines().filter(|line| line.contains("connections_not_taken")).count();
    wait_until(PATIENCE, || (told() > 0).then_some(())).context("nobody tells that descriptors are used up")?;
    let (since, cpu) = (Instant::now(), cpu_seconds(agent.pid())?);
    let (group, stolen) = (TestCgroup::new("descriptors")?, Stolen::from_now()?);
    let spinning = load(&group, &["spin", "2"])?;
    for step in 1..=STEPS {
        rapl.set(Zone::Dram, step * STEP)?;
        std::thread::sleep(Duration::from_millis(20));
    }
    spinning.wait()?;
    let (busy, elapsed) = (cpu_seconds(agent.pid())? - cpu, since.elapsed().as_secs_f64());
    ensure!(busy < elapsed / 2.0, "it has burned {busy} s of {elapsed} s for connections that it cannot take");

    drop(clients);
    let all = STEPS * STEP;
    let is_all = |samples: &Samples| measured(samples).is_ok_and(|measured| measured >= all);
    let samples = wait_until(PATIENCE, || agent.samples().ok().filter(is_all)).context("it answers no more")?;
    assert_eq!(measured(&samples)?, all, "what the counter moved meanwhile");
    assert_books(&samples)?;
    assert_nothing_fell(&before, &samples);
    counted(&agent, &group, &stolen)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    grpc::cpu_time(&runtime, agent.grpc_address()).context("gRPC does not answer")?;
    drop(runtime);
    let problems = samples.sum("prony_problems_total", &[("kind", "connections_not_taken")]);
    ensure!(problems >= 2.0, "{problems} connections were counted as not taken");
    assert_eq!(told(), 1, "{}", agent.log());
    footprint.is_returned_to(agent.pid())?;
    assert!(agent.stop()?.status.success());
    Ok(())
}
