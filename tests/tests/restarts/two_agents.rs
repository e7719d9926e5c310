//! Two agents that would keep the same books.

use anyhow::{Result, ensure};
use prony_tests::{needs_agent, skip};

use crate::keeping;

#[test]
fn the_second_agent_says_who_is_there_and_ends() {
    if let Some(reason) = needs_agent() {
        return skip("two_agents::the_second_agent_says_who_is_there_and_ends", &reason);
    }
    two_agents().unwrap();
}

fn two_agents() -> Result<()> {
    let state = tempfile::tempdir()?;
    let first = keeping(state.path()).start()?;
    let second = keeping(state.path()).run_to_its_end()?;
    ensure!(second.status.code() == Some(1), "{:?}", second.status);
    let who = format!("another agent (pid {},", first.pid());
    ensure!(second.log.contains(&who) && second.log.contains("--state"), "{}", second.log);
    first.stop()?;
    keeping(state.path()).start()?.stop()?;
    Ok(())
}
