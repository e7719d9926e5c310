//! `cargo xtask run`: builds and starts the agent.

use std::env;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, bail};
use xtask::process::{find_on_path, is_root, say};

use super::agent::{self, Profile};

/// Builds the agent as the current user, then becomes it, through sudo when not root.
pub(super) fn run(arguments: &[String]) -> Result<ExitCode> {
    let arguments = agent_arguments(arguments);
    let binary = agent::build(Profile::Release)?;
    let mut command = as_root(&binary, &arguments)?;
    say(format_args!("starting {}", xtask::process::shown(&command)));
    Err(command.exec()).with_context(|| format!("cannot start {}", binary.display()))
}

/// `run` is the agent's command where the arguments begin with none.
fn agent_arguments(arguments: &[String]) -> Vec<String> {
    let given = if arguments.first().is_some_and(|first| first == "--") { &arguments[1..] } else { arguments };
    let names_command = given.first().is_some_and(|first| !first.starts_with('-'));
    let command = if names_command { None } else { Some("run".to_owned()) };
    command.into_iter().chain(given.iter().cloned()).collect()
}

fn as_root(binary: &Path, arguments: &[String]) -> Result<Command> {
    if is_root() {
        let mut command = Command::new(binary);
        command.args(arguments);
        return Ok(command);
    }
    if find_on_path("sudo").is_none() {
        bail!(
            "the agent loads programs into the kernel and has to be root, and there is no sudo here: \
             the agent is built; start it as root with `{} {}`",
            binary.display(),
            arguments.join(" ")
        );
    }
    let mut command = Command::new("sudo");
    command.arg("--").arg("/usr/bin/env");
    // sudo drops the environment; these are settings of the agent.
    command.args(
        env::vars().filter(|(name, _)| name.starts_with("PRONY_")).map(|(name, value)| format!("{name}={value}")),
    );
    command.arg(binary).args(arguments);
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(line: &str) -> Vec<String> {
        agent_arguments(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn run_is_what_the_agent_does_by_default() {
        assert_eq!(arguments(""), ["run"]);
        assert_eq!(arguments("--"), ["run"]);
        assert_eq!(arguments("-- --window 10ms"), ["run", "--window", "10ms"]);
        assert_eq!(arguments("--window 10ms"), ["run", "--window", "10ms"]);
        assert_eq!(arguments("-- doctor --output json"), ["doctor", "--output", "json"]);
        assert_eq!(arguments("-- run --window 10ms"), ["run", "--window", "10ms"]);
    }
}
