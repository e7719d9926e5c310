//! Running a runtime's command, which must not keep a test waiting for ever.

use std::fs::{self, File};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

use crate::{Running, wait_until};

/// How long a command may take on a busy machine.
const LIMIT: Duration = Duration::from_mins(1);

/// Runs a command to its end; what it has written to its standard output. What it leaves running may keep that open.
///
/// # Errors
/// When it fails, with what it has said, or is not done after a minute; it is killed then.
pub(super) fn output(command: &mut Command) -> Result<String> {
    let directory = tempfile::tempdir()?;
    let (said, complaints) = (directory.path().join("out"), directory.path().join("err"));
    command.stdin(Stdio::null()).stdout(File::create(&said)?).stderr(File::create(&complaints)?);
    let shown = xtask::process::shown(command);
    let mut process = Running::start(command).with_context(|| format!("cannot start `{shown}`"))?;
    let Some(status) = wait_until(LIMIT, || process.ended().transpose()) else {
        bail!("`{shown}` is not done after {} s", LIMIT.as_secs());
    };
    let status = status?;
    ensure!(status.success(), "`{shown}` failed ({status}): {}", fs::read_to_string(&complaints)?.trim());
    Ok(fs::read_to_string(&said)?.trim().to_owned())
}
