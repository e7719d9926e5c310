//! `cargo xtask sbom`: what is linked into the agent, as a software bill of materials.

use std::fs;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result};
use xtask::{crates, ebpf, process, workspace};

const CARGO_CYCLONEDX: crates::Tool = crates::Tool { name: "cargo-cyclonedx", version: "0.5.9" };
/// What the tool calls the file that it puts beside the manifest of each package of the workspace.
const FILE: &str = "prony.cdx";

/// Writes the agent's as JSON, and prints where it is.
pub(super) fn sbom() -> Result<ExitCode> {
    let tool = CARGO_CYCLONEDX.find_or_install()?;
    let mut command = Command::new(tool);
    ebpf::clean_environment(&mut command).current_dir(workspace::root());
    command.args(["cyclonedx", "--format", "json", "--spec-version", "1.5", "--all", "--no-build-deps"]);
    let written = process::run(command.args(["--override-filename", FILE]));
    let kept = keep_the_agents();
    written?;
    println!("{}", kept?);
    Ok(ExitCode::SUCCESS)
}

/// Moves the agent's under `target`, and removes the others' from the workspace.
fn keep_the_agents() -> Result<String> {
    let (root, file) = (workspace::root(), format!("{FILE}.json"));
    let to = workspace::target().join("sbom").join(&file);
    fs::create_dir_all(workspace::target().join("sbom"))?;
    let moved = fs::rename(root.join("agent").join(&file), &to);
    for folder in fs::read_dir(root)?.flatten().filter(|entry| entry.path().join("Cargo.toml").is_file()) {
        // There is none beside what is no package of the workspace.
        let _ = fs::remove_file(folder.path().join(&file));
    }
    moved.with_context(|| format!("cargo-cyclonedx has written no {file} for the agent"))?;
    Ok(to.display().to_string())
}
