//! The unit, by systemd's own tools.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use prony_tests::{needs_agent, skip};

use crate::objects::read;

#[test]
fn the_unit_is_good_and_gives_little_away() -> Result<()> {
    const NAME: &str = "systemd::the_unit_is_good_and_gives_little_away";
    if let Some(reason) = needs_agent() {
        skip(NAME, &reason);
        return Ok(());
    }
    if !PathBuf::from("/usr/bin/systemd-analyze").exists() {
        skip(NAME, "there is no systemd-analyze: `apt-get install systemd` installs it");
        return Ok(());
    }
    let agent = std::env::var("PRONY_BIN").context("PRONY_BIN")?;
    let folder = tempfile::tempdir()?;
    let unit = folder.path().join("prony.service");
    fs::write(&unit, read("systemd/prony.service")?.replace("/usr/local/bin/prony", &agent))?;
    let analyze = |arguments: &[&str]| -> Result<String> {
        let output = Command::new("systemd-analyze").args(arguments).arg(&unit).output()?;
        let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{arguments:?}: {said}");
        Ok(said.into_owned())
    };
    let complaints = analyze(&["verify"])?;
    ensure!(complaints.trim().is_empty(), "{complaints}");
    // In tenths; above 5.0 systemd itself calls a service exposed.
    analyze(&["security", "--offline=true", "--no-pager", "--threshold=30"])?;
    Ok(())
}
