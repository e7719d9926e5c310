//! Running tests of the kernel side in the guest.

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};
use prony_tests::vm::{EMULATED, Report, guest};

const SKIPPED: &str = "/tmp/skipped";

/// Runs every test binary that the host has put here.
pub(crate) fn run_all(report: &mut Report) {
    let entries = fs::read_dir(guest::TESTS).into_iter().flatten().flatten();
    let mut binaries: Vec<_> = entries.map(|entry| entry.path()).collect();
    binaries.sort();
    for binary in binaries {
        let name = binary.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let name = name.rsplit_once('-').map_or(name.as_str(), |(name, _)| name).to_owned();
        report.check(&format!("tests of {name}"), || run(&binary));
        for line in fs::read_to_string(SKIPPED).unwrap_or_default().lines() {
            let (test, reason) = line.split_once(": ").unwrap_or((line, "no reason given"));
            report.absent(test, reason);
        }
        // None may have been skipped.
        let _ = fs::remove_file(SKIPPED);
    }
}

fn run(binary: &Path) -> Result<String> {
    let mut command = Command::new(binary);
    command
        .arg("--test-threads=1")
        .env("PRONY_SKIP_LOG", SKIPPED)
        .env(EMULATED, "1")
        .env("PRONY_BIN", env::var_os("PRONY_BIN").unwrap_or_default());
    let output = command.output()?;
    let told = String::from_utf8_lossy(&output.stdout);
    let Some(result) = told.lines().find_map(|line| line.strip_prefix("test result: ")) else {
        bail!("no result: {told}");
    };
    if !output.status.success() {
        let failures: Vec<&str> =
            told.lines().filter(|line| line.contains("panicked") || line.ends_with("FAILED")).collect();
        bail!("{}\n{told}", failures.join("; "));
    }
    Ok(result.split(';').next().unwrap_or(result).to_owned())
}
