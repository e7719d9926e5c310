//! The agent ends, in order or not, and another one goes on: nothing is lost, nothing is counted twice, no counter falls.

mod disk;
mod kills;
mod two_agents;

use std::path::Path;

use anyhow::Result;
use prony_tests::{Agent, AgentBuilder, Samples};

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
