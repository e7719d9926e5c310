//! `cargo xtask deny`: holds everything that is linked into the agent against `deny.toml`.

use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::Result;
use xtask::process::{self, say};
use xtask::{crates, ebpf, workspace};

const CARGO_DENY: crates::Tool = crates::Tool { name: "cargo-deny", version: "0.20.2" };

/// What needs nothing but what Cargo has fetched already.
const OFFLINE: [&str; 3] = ["licenses", "bans", "sources"];

/// Checks licences, duplicates and sources, and vulnerabilities that are known, where their list can be fetched.
pub(super) fn deny() -> Result<ExitCode> {
    let tool = CARGO_DENY.find_or_install()?;
    let mut failed = 0;
    for what in OFFLINE {
        if let Err(error) = check(&tool, what) {
            say(format_args!("{error:#}"));
            failed += 1;
        }
    }
    let mut skipped = 0;
    let mut fetch = command(&tool);
    if process::output(fetch.args(["fetch", "db"])).is_err() {
        say(format_args!("the list of known vulnerabilities cannot be fetched from github.com/rustsec/advisory-db"));
        skipped = 1;
    } else if let Err(error) = check(&tool, "advisories") {
        say(format_args!("{error:#}"));
        failed += 1;
    }
    println!("{} passed, {failed} failed, {skipped} skipped", OFFLINE.len() + 1 - failed - skipped);
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn check(tool: &Path, what: &str) -> Result<()> {
    process::run(command(tool).args(["check", what]))
}

fn command(tool: &Path) -> Command {
    let mut command = Command::new(tool);
    ebpf::clean_environment(&mut command).current_dir(workspace::root());
    command
}
