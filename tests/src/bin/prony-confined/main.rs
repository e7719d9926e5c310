//! Enters a role of the agent's as its threads do, then tries what such a thread has no business to do, and prints what
//! became of each attempt: its name, and the number of the error, or 0 where it was done.

mod attempts;

use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context as _, Result};
use prony::config::Config;
use prony::confine::{Confinement, Role};

use attempts::Attempts;

const USAGE: &str = "\
usage: prony-confined attend|serve|account|measure|record|write FOLDER ELSEWHERE CONFIG
  FOLDER     the folder that a thread that writes may write to
  ELSEWHERE  another one, with a file `there` in it
  CONFIG     a configuration of the agent's, whose section [security] counts";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [role, folder, elsewhere, config] = &arguments[..] else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    match run(role, folder.into(), elsewhere.into(), config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("prony-confined: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(role: &str, folder: PathBuf, elsewhere: PathBuf, config: &str) -> Result<()> {
    let config: Config = toml::from_str(config)?;
    let role = match role {
        "attend" => Role::Attend,
        "serve" => Role::Serve,
        "account" => Role::Account,
        "measure" => Role::Measure,
        "record" => Role::Record,
        "write" => Role::Write(folder.clone()),
        other => anyhow::bail!("{other} is no role\n{USAGE}"),
    };
    // It ends when this one closes its pipe: a confined process may kill nobody.
    let mut other = Command::new("cat");
    other.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut other_process = other.spawn().context("no cat")?;
    let attempts = Attempts { folder, elsewhere, other_process: other_process.id() };
    Confinement::new(&config).enter(&role);
    for (name, outcome) in attempts.all() {
        println!("{name} {outcome}");
    }
    drop(other_process.stdin.take());
    println!("exec {}", attempts::exec());
    Ok(())
}
