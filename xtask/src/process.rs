//! Running other programs. Their standard output goes to ours only where a caller asks for it: `build-ebpf` promises
//! that the object's path is the only thing there, and Cargo reads a build script's.

use std::env;
use std::fmt::Display;
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

/// Says a step in one line on standard error.
pub fn say(step: impl Display) {
    eprintln!("xtask: {step}");
}

/// Runs a program to its end, its output on standard error.
///
/// # Errors
/// When it cannot be started or fails.
pub fn run(command: &mut Command) -> Result<()> {
    let status = command.stdin(Stdio::null()).stdout(io::stderr()).status().with_context(|| cannot_start(command))?;
    check(command, status)
}

/// Runs a program as [`run`] does, but ends it after `limit`.
///
/// # Errors
/// When it cannot be started, fails or is not done in time.
pub fn run_within(command: &mut Command, limit: Duration) -> Result<()> {
    let mut child = command.stdin(Stdio::null()).stdout(io::stderr()).spawn().with_context(|| cannot_start(command))?;
    let deadline = Instant::now() + limit;
    loop {
        if let Some(status) = child.try_wait()? {
            return check(command, status);
        }
        if Instant::now() >= deadline {
            child.kill()?;
            child.wait()?;
            bail!("`{}` was not done after {} s", shown(command), limit.as_secs());
        }
        thread::sleep(Duration::from_millis(50));
    }
}

/// Runs a program to its end and returns what it wrote to its standard output, without white space at the end.
///
/// # Errors
/// When it cannot be started, fails or writes something that is not UTF-8.
pub fn output(command: &mut Command) -> Result<String> {
    let Output { status, stdout, stderr } =
        command.stdin(Stdio::null()).output().with_context(|| cannot_start(command))?;
    check(command, status).with_context(|| String::from_utf8_lossy(&stderr).trim().to_owned())?;
    let text =
        String::from_utf8(stdout).with_context(|| format!("`{}` wrote bytes that are no text", shown(command)))?;
    Ok(text.trim_end().to_owned())
}

/// The program as one would type it.
pub fn shown(command: &Command) -> String {
    let mut line = command.get_program().to_string_lossy().into_owned();
    for argument in command.get_args() {
        line.push(' ');
        line.push_str(&argument.to_string_lossy());
    }
    line
}

/// The first executable file of that name on `PATH`.
pub fn find_on_path(name: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?)
        .map(|directory| directory.join(name))
        .find(|file| file.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0))
}

/// Whether this process runs as root.
pub fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

fn cannot_start(command: &Command) -> String {
    let program = command.get_program().to_string_lossy();
    if program.contains('/') || find_on_path(&program).is_some() {
        format!("cannot start `{}`", shown(command))
    } else {
        format!("`{program}` is not on PATH: install it")
    }
}

fn check(command: &Command, status: ExitStatus) -> Result<()> {
    if !status.success() {
        bail!("`{}` failed ({status})", shown(command));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_hangs_is_ended() {
        let error = run_within(Command::new("sleep").arg("600"), Duration::from_millis(100)).unwrap_err();
        assert!(error.to_string().contains("sleep 600"), "{error}");
    }

    #[test]
    fn a_program_that_is_missing_is_named() {
        let error = output(Command::new("prony-no-such-program").arg("--version")).unwrap_err();
        assert!(error.to_string().contains("`prony-no-such-program` is not on PATH"), "{error}");
    }
}
