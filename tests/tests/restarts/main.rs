//! The agent ends, in order or not, and another one goes on: nothing is lost, nothing is counted twice, no counter falls.

mod disk;
mod kills;
mod moving;
mod two_agents;
mod watchers;
mod without_pins;

use std::path::Path;
use std::process::Stdio;

use anyhow::{Context as _, Result};
use prony_tests::{Agent, AgentBuilder, Running, Samples, TestCgroup};

/// An agent that keeps its books.
fn keeping(state: &Path) -> AgentBuilder {
    Agent::builder().arguments(["--state".as_ref(), state.as_os_str()])
}

/// The figures of the books in a scrape: those that go on from agent to agent.
fn books(agent: &Agent) -> Result<Samples> {
    let text = agent.metrics()?;
    let is_of_books = |line: &&str| {
        let name = line.split(['{', ' ']).next().unwrap_or_default();
        !name.starts_with("process_") && (name.contains("joules") || name.contains("cpu_seconds"))
    };
    Samples::parse(&text.lines().filter(is_of_books).collect::<Vec<_>>().join("\n"))
}

/// Starts a load in a group.
fn start(group: &TestCgroup, arguments: &[&str]) -> Result<Running> {
    let mut command = group.command(env!("CARGO_BIN_EXE_prony-load"));
    Running::start(command.args(arguments).stdout(Stdio::null())).context("starting a load")
}

/// What was measured of the package, in microjoules.
fn measured(samples: &Samples) -> Result<u64> {
    samples.millionths("prony_zone_measured_joules_total", &[("zone", "package")])
}
