//! Booting a guest and reading its report.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use xtask::virtual_machine::{Qemu, UnpackedKernel};

use super::{Machine, Report, guest, root_folder};
use crate::{Running, wait_until};

/// How long a guest may take. Emulation is slow, and so may this machine be.
const LIMIT: Duration = Duration::from_mins(6);
/// Of the console, what is shown when there is no report.
const SHOWN: usize = 4000;

/// What is put into a guest.
#[derive(Clone, Debug)]
pub struct Programs {
    /// `prony-guest`.
    pub init: PathBuf,
    /// `prony`.
    pub agent: PathBuf,
    /// `prony-load`.
    pub load: PathBuf,
    /// QEMU's plugin for RAPL.
    pub plugin: PathBuf,
    /// Test binaries, which are run in the guest too.
    pub tests: Vec<PathBuf>,
}

/// Boots the kernel on the machine; what the guest reports.
///
/// # Errors
/// When the guest does not report: the message has the end of its console.
pub fn boot(qemu: &Qemu, kernel: &UnpackedKernel, machine: &Machine, programs: &Programs) -> Result<Report> {
    let folder = tempfile::tempdir()?;
    let (root, console, report) =
        (folder.path().join("root"), folder.path().join("console"), folder.path().join("report"));
    root_folder::write(&root, programs, kernel, machine)?;
    let mut command = qemu.command();
    command.args(["-display", "none", "-no-reboot", "-nodefaults", "-monitor", "none", "-serial", "stdio"]);
    command.args(["-serial", &format!("file:{}", report.display())]);
    machine.describe(&mut command, &programs.plugin);
    command.arg("-kernel").arg(&kernel.image).arg("-initrd").arg(&root).arg("-append");
    command.arg(format!(
        "console=ttyS0 panic=-1 quiet nokaslr mitigations=off prony.machine={} PRONY_BIN={}",
        machine.name,
        guest::AGENT
    ));
    let log = File::create(&console)?;
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    let mut guest = Running::start(&mut command).context("cannot start QEMU")?;
    let ended = wait_until(LIMIT, || guest.ended().transpose());
    drop(guest);
    let read = |file| fs::read(file).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let (report, console) = (read(&report), read(&console));
    let last = console.char_indices().rev().nth(SHOWN).map_or(0, |(at, _)| at);
    if ended.transpose()?.is_none() {
        bail!("{} was not done after {} s:\n{}", kernel.release, LIMIT.as_secs(), &console[last..]);
    }
    serde_json::from_str(report.trim()).with_context(|| {
        format!("{} on {} has written no report:\n{}", kernel.release, machine.title, &console[last..])
    })
}
