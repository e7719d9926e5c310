//! SIGHUP and SIGTERM, also while clients hold the agent up.

use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, Result};
use prony_tests::{Agent, Samples, assert_books, needs_agent, needs_bpf, skip, wait_until};
use rustix::process::Signal;

use crate::grpc;

const PATIENCE: Duration = Duration::from_secs(20);
/// A zone with static power, on every machine.
const ZONE: &str = "\
[source.rapl]
interface = 'off'
[source.estimate]
enabled = true
tdp = 20
[attribution.static_power]
package-0 = 2
";

fn config(window: &str, policy: &str) -> String {
    format!("{ZONE}[activity]\nwindow = '{window}'\n[attribution]\npolicy = '{policy}'\n")
}

fn wait_for(agent: &Agent, what: &str, is_so: impl Fn(&Samples) -> bool) -> Result<Samples> {
    let found = wait_until(PATIENCE, || agent.samples().ok().filter(&is_so));
    found.with_context(|| format!("not within {} s: {what}; the log:\n{}", PATIENCE.as_secs(), agent.log()))
}

fn wait_for_log(agent: &Agent, words: &str, times: usize) -> Result<()> {
    let found = wait_until(PATIENCE, || (agent.log().matches(words).count() >= times).then_some(()));
    found.with_context(|| format!("not told {times} times: {words}; the log:\n{}", agent.log()))
}

fn shared(samples: &Samples) -> f64 {
    samples.sum("prony_zone_joules_total", &[("part", "idle_shared")])
}

fn idle(samples: &Samples) -> f64 {
    samples.sum("prony_zone_joules_total", &[("part", "idle")])
}

fn has_window(samples: &Samples, seconds: f64) -> bool {
    // The gauge is of the last window of a second, which may come a little late.
    samples.sum("prony_window_seconds", &[]) < seconds * 1.8 && samples.sum("prony_window_seconds", &[]) > seconds * 0.2
}

#[test]
fn a_good_configuration_is_taken_over_at_sighup_and_a_bad_one_is_not() {
    if let Some(reason) = needs_bpf().or_else(needs_agent) {
        return skip("signals::a_good_configuration_is_taken_over_at_sighup_and_a_bad_one_is_not", &reason);
    }
    reload().unwrap();
}

fn reload() -> Result<()> {
    let agent = Agent::builder().config(&config("200ms", "separate")).start()?;
    let samples = wait_for(&agent, "idle energy", |samples| idle(samples) > 0.0 && has_window(samples, 0.2))?;
    assert_eq!(shared(&samples).to_bits(), 0);

    agent.write_config(&config("20ms", "equal"))?;
    agent.signal(Signal::HUP)?;
    wait_for(&agent, "the policy and the window change", |samples| shared(samples) > 0.0 && has_window(samples, 0.02))?;
    wait_for_log(&agent, "configuration read anew", 1)?;

    agent.write_config(&config("10h", "unfair"))?;
    agent.signal(Signal::HUP)?;
    wait_for_log(&agent, "the one before stays in effect", 1)?;
    for words in ["`activity.window`", "`attribution.policy`"] {
        assert!(agent.log().contains(words), "{}", agent.log());
    }
    let before = shared(&agent.samples()?);
    let samples = wait_for(&agent, "static energy is still shared out", |samples| shared(samples) > before + 0.1)?;
    assert!(has_window(&samples, 0.02));
    assert_books(&samples)?;

    agent.write_config(&config("20ms", "equal"))?;
    agent.signal(Signal::HUP)?;
    wait_for_log(&agent, "nothing has changed", 1)?;
    assert!(agent.stop()?.status.success());
    Ok(())
}

#[test]
fn sigterm_ends_the_agent_whatever_its_clients_do() {
    if let Some(reason) = needs_bpf().or_else(needs_agent) {
        return skip("signals::sigterm_ends_the_agent_whatever_its_clients_do", &reason);
    }
    end_among_clients().unwrap();
}

fn end_among_clients() -> Result<()> {
    let agent = Agent::builder().start()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let _watcher = grpc::watch(&runtime, agent.grpc_address())?;
    // One that asks for nothing, one that stops in the middle of its request, one that never reads, and the same of gRPC.
    let _silent = client(agent.metrics_address(), b"")?;
    let _halting = client(agent.metrics_address(), b"GET /metrics HTTP/1.1\r\nHost: a")?;
    let _deaf = client(agent.metrics_address(), b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n")?;
    let _preface = client(agent.grpc_address(), b"PRI * HTTP/2.0\r\n")?;
    // `timeout` and others send a signal to the program and to its group: that is one wish.
    agent.signal(Signal::TERM)?;
    let ended = agent.stop()?;
    assert_eq!(ended.status.code(), Some(0), "{}", ended.log);
    assert!(ended.took < Duration::from_secs(5), "it took {:?}", ended.took);
    Ok(())
}

fn client(server: SocketAddr, request: &[u8]) -> Result<TcpStream> {
    let mut connection = TcpStream::connect(server)?;
    connection.write_all(request)?;
    Ok(connection)
}
