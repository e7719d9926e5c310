//! Building the agent's binary.

use std::env;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use xtask::{ebpf, workspace};

/// How the compiler is to work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Profile {
    /// Quick to build.
    Dev,
    /// As it is used.
    Release,
}

/// Cargo in the workspace, as the user called it.
pub(super) fn cargo() -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(workspace::root());
    cargo
}

/// Builds the agent and returns its binary. The kernel object is built first, not only by the agent's build script, so
/// that the steps are seen as they happen.
pub(super) fn build(profile: Profile) -> Result<PathBuf> {
    ebpf::build(ebpf::Object::Agent, &ebpf::Target::host())?;
    let mut cargo = cargo();
    cargo.args(["build", "--package", "prony", "--bin", "prony"]);
    if profile == Profile::Release {
        cargo.arg("--release");
    }
    built(&mut cargo, "executable")?.pop().context("cargo did not say where it put the agent")
}

/// Runs a command of Cargo's that builds; what stands in that field of its messages about what was built
/// (<https://doc.rust-lang.org/cargo/reference/external-tools.html#json-messages>): `executable` or `filenames`.
pub(super) fn built(cargo: &mut Command, field: &str) -> Result<Vec<PathBuf>> {
    cargo.arg("--message-format=json-render-diagnostics");
    let mut child = cargo.stdout(Stdio::piped()).spawn().context("cannot start `cargo`")?;
    let messages = BufReader::new(child.stdout.take().context("cargo's output is piped")?);
    let mut files = Vec::new();
    for message in messages.lines() {
        files.extend(paths(&message?, field));
    }
    ensure!(child.wait()?.success(), "it does not build: the messages above say why");
    Ok(files)
}

/// The first path of that field, which has one or a list of them.
fn paths(message: &str, field: &str) -> Option<PathBuf> {
    let (_, rest) = message.split_once(&format!(r#""{field}":"#))?;
    let rest = rest.trim_start_matches('[').strip_prefix('"')?;
    let mut path = String::new();
    let mut characters = rest.chars();
    loop {
        match characters.next()? {
            '"' => return Some(path.into()),
            '\\' => path.push(characters.next()?),
            character => path.push(character),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_binary_in_cargos_messages() {
        let message =
            r#"{"reason":"compiler-artifact","filenames":["/w/t/prony"],"executable":"/w/a \"b\"/prony","fresh":true}"#;
        assert_eq!(paths(message, "executable"), Some(PathBuf::from(r#"/w/a "b"/prony"#)));
        assert_eq!(paths(message, "filenames"), Some(PathBuf::from("/w/t/prony")));
        assert_eq!(paths(r#"{"reason":"compiler-artifact","executable":null,"fresh":true}"#, "executable"), None);
        assert_eq!(paths(r#"{"reason":"build-finished","success":true}"#, "executable"), None);
    }
}
