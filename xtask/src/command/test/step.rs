//! Running one step and learning what it came to.

use std::io::{self, BufRead as _, Read, Write as _};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};
use xtask::process::{self, say};

use super::super::agent;
use super::libtest::Tally;
use super::skip_log::SkipLog;

/// What a check of the sources came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Check {
    /// Nothing to complain about.
    Passed,
    /// Its complaints are on standard error.
    Failed,
    /// It is not installed; how to get it.
    Skipped(String),
}

/// What a run of test binaries came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct TestRun {
    /// What the harness said.
    pub(super) tally: Tally,
    /// The tests that called out a skip, with their reasons.
    pub(super) skips: Vec<(String, String)>,
    /// Whether Cargo ended well.
    pub(super) succeeded: bool,
}

/// Runs a command that needs a component of the toolchain.
pub(super) fn component_check(component: &str, command: &mut Command) -> Check {
    self::component(component, &process::shown(command), || process::run(command))
}

/// Runs a check that needs a component of the toolchain.
pub(super) fn component(component: &str, shown: &str, check: impl FnOnce() -> Result<()>) -> Check {
    let subcommand = if component == "rustfmt" { "fmt" } else { component };
    if process::output(agent::cargo().args([subcommand, "--version"])).is_err() {
        return Check::Skipped(format!("{component} is not installed: `rustup component add {component}`"));
    }
    say(format_args!("checking: {shown}"));
    match check() {
        Ok(()) => Check::Passed,
        Err(error) => {
            say(format_args!("{error:#}"));
            Check::Failed
        }
    }
}

/// Runs `cargo test`, passes on what it prints as it prints it, and counts.
pub(super) fn libtest(command: &mut Command, skips: &SkipLog) -> Result<TestRun> {
    say(format_args!("testing: {}", process::shown(command)));
    let mut child = command
        .env(SkipLog::VARIABLE, skips.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start `cargo`")?;
    let output = child.stdout.take().context("cargo's output is piped")?;
    let mut tally = Tally::default();
    let mut lines = io::BufReader::new(Echo { from: output });
    let mut line = Vec::new();
    while lines.read_until(b'\n', &mut line)? > 0 {
        tally.read(String::from_utf8_lossy(&line).trim_end());
        line.clear();
    }
    Ok(TestRun { tally, skips: skips.take()?, succeeded: child.wait()?.success() })
}

/// Shows what is read on standard output at once, also lines that are not finished: the name of a test stands there
/// while it runs.
struct Echo<R> {
    from: R,
}

impl<R: Read> Read for Echo<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.from.read(buffer)?;
        let mut shown = io::stdout().lock();
        shown.write_all(&buffer[..count])?;
        shown.flush()?;
        Ok(count)
    }
}
