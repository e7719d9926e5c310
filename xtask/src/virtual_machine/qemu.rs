//! QEMU for x86-64.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};

use super::Suites;
use crate::debian::unpack_together;
use crate::lock::ToolsLock;
use crate::process::{find_on_path, output, say};
use crate::{servers, workspace};

const PROGRAM: &str = "qemu-system-x86_64";
const PACKAGE: &str = "qemu-system-x86";
/// The oldest that has the plugin interface which tests use.
const OLDEST: u32 = 10;

/// A QEMU that runs here.
#[derive(Clone, Debug)]
pub struct Qemu {
    program: PathBuf,
    /// Where it lies if it was unpacked here.
    unpacked: Option<PathBuf>,
}

impl Qemu {
    /// The one that was unpacked here, else the system's.
    ///
    /// # Errors
    /// The reason for skipping a test that needs it.
    pub fn find() -> Result<Self> {
        guests_can_run_our_programs()?;
        let folder = folder();
        let unpacked = Self { program: folder.join("usr/bin").join(PROGRAM), unpacked: Some(folder) };
        let systems = find_on_path(PROGRAM).map(|program| Self { program, unpacked: None });
        let mut found = [Some(unpacked), systems].into_iter().flatten();
        found.find(|qemu| qemu.version().is_ok_and(|version| version >= OLDEST)).with_context(|| {
            format!("there is no QEMU {OLDEST} here: `cargo xtask test --install` unpacks it under target/")
        })
    }

    /// As [`Self::find`], fetched if it is not here.
    ///
    /// # Errors
    /// When it cannot be had; the message says why.
    pub fn find_or_fetch() -> Result<Self> {
        guests_can_run_our_programs()?;
        Self::find().or_else(|_| {
            let _lock = ToolsLock::acquire()?;
            fetch().with_context(|| format!("cannot fetch {PACKAGE} {OLDEST}"))?;
            Self::find()
        })
    }

    /// A command line that begins with it. It finds its libraries and its firmware.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        if let Some(folder) = &self.unpacked {
            let libraries = servers::libraries(folder).into_iter();
            command.env("LD_LIBRARY_PATH", servers::with(libraries, "LD_LIBRARY_PATH"));
            for firmware in ["qemu", "seabios"] {
                command.arg("-L").arg(folder.join("usr/share").join(firmware));
            }
        }
        command
    }

    fn version(&self) -> Result<u32> {
        major(&output(self.command().arg("--version"))?).context("QEMU does not tell its version")
    }
}

fn guests_can_run_our_programs() -> Result<()> {
    ensure!(cfg!(target_arch = "x86_64"), "guests are x86-64 and run this machine's programs, which are not");
    Ok(())
}

/// `QEMU emulator version 10.0.2 (Debian ...)`
fn major(told: &str) -> Option<u32> {
    told.split_once(" version ")?.1.split('.').next()?.parse().ok()
}

fn folder() -> PathBuf {
    workspace::tools().join("qemu")
}

/// From the system's release of Debian or its backports, whichever is newer.
fn fetch() -> Result<()> {
    let release = fs::read_to_string("/etc/os-release").context("cannot read /etc/os-release")?;
    let Some(codename) = release.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME=")) else {
        bail!("/etc/os-release names no release of Debian");
    };
    say(format_args!("unpacking the Debian package {PACKAGE} under target/tools/qemu"));
    let (backports, security) = (format!("{codename}-backports"), format!("{codename}-security"));
    let suites = Suites { archive: &[codename, &backports], security: &[&security] };
    let apt = super::apt("qemu", &suites)?;
    let files = apt.download_with_dependencies(PACKAGE, Some(&backports))?;
    unpack_together(&files, &folder())?;
    files.iter().try_for_each(|file: &PathBuf| remove(file))
}

fn remove(file: &Path) -> Result<()> {
    fs::remove_file(file).with_context(|| format!("cannot remove {}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_version() {
        assert_eq!(major("QEMU emulator version 10.0.2 (Debian 1:10.0.2+ds-2)\nCopyright"), Some(10));
        assert_eq!(major("something else"), None);
    }
}
