//! Real servers and tools that tests use. One that is installed is used; one that is not can be unpacked from its Debian
//! package under `target/tools/servers`, where it is no system package and no service.

use std::collections::BTreeSet;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::debian::{Apt, unpack_together};
use crate::lock::ToolsLock;
use crate::process::{find_on_path, output, say};
use crate::workspace;

/// Where programs are in a package. What Chromium has in `usr/bin` looks for it below the root, so that it comes after.
const PROGRAMS: [&str; 3] = ["usr/lib/chromium", "usr/bin", "usr/sbin"];

/// A program and the Debian package that has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Server {
    /// The program's file name.
    pub binary: &'static str,
    /// The Debian package that has it, or depends on the one that has it.
    pub package: &'static str,
}

/// Every server and tool that a test uses.
pub const SERVERS: &[Server] = &[
    Server { binary: "prometheus", package: "prometheus" },
    Server { binary: "promtool", package: "prometheus" },
    Server { binary: "kubectl", package: "kubernetes-client" },
    Server { binary: "runc", package: "runc" },
    Server { binary: "containerd", package: "containerd" },
    Server { binary: "ctr", package: "containerd" },
    Server { binary: "podman", package: "podman" },
    Server { binary: "conmon", package: "podman" },
    Server { binary: "chromium", package: "chromium" },
    Server { binary: "chromedriver", package: "chromium-driver" },
    Server { binary: "influxd", package: "influxdb" },
];

/// Where the server of that name is.
///
/// # Errors
/// The reason for skipping a test that needs it, with the lines that install it.
pub fn find(binary: &str) -> Result<PathBuf, String> {
    let Some(server) = SERVERS.iter().find(|server| server.binary == binary) else {
        return Err(format!("{binary} is not in the table of servers (xtask/src/servers.rs)"));
    };
    server.find().ok_or_else(|| {
        format!(
            "{binary} is not installed: `cargo xtask test --install` unpacks it under target/, \
             `apt-get install {}` installs it",
            server.package
        )
    })
}

/// A command line that begins with the server of that name. It finds its libraries, and other programs of this table,
/// where these were unpacked here.
///
/// # Errors
/// As for [`find`].
pub fn command(binary: &str) -> Result<Command, String> {
    Ok(command_for(&find(binary)?))
}

fn command_for(binary: &Path) -> Command {
    let mut command = Command::new(binary);
    let directories: BTreeSet<PathBuf> = SERVERS.iter().map(Server::directory).collect();
    let own = directories.iter().find(|directory| binary.starts_with(directory));
    command.env("LD_LIBRARY_PATH", with(own.into_iter().flat_map(|own| libraries(own)), "LD_LIBRARY_PATH"));
    let programs = directories.iter().flat_map(|directory| PROGRAMS.map(|folder| directory.join(folder)));
    command.env("PATH", with(programs, "PATH"));
    command
}

/// What a variable of the environment lists, and these folders after it.
pub(crate) fn with(folders: impl Iterator<Item = PathBuf>, variable: &str) -> OsString {
    let before = env::var_os(variable).unwrap_or_default();
    let listed = env::split_paths(&before).filter(|folder| !folder.as_os_str().is_empty());
    // Only a folder with a colon in its name cannot be listed.
    env::join_paths(listed.chain(folders)).unwrap_or(before)
}

/// Where libraries are in an unpacked package: the folders have the name of the architecture.
pub(crate) fn libraries(directory: &Path) -> Vec<PathBuf> {
    let folders = ["usr/lib", "lib"].map(|folder| fs::read_dir(directory.join(folder)).into_iter().flatten().flatten());
    folders
        .into_iter()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.to_string_lossy().contains("-linux-"))
        .collect()
}

impl Server {
    /// Where it is: on `PATH`, in a folder for system programs, or unpacked here.
    pub fn find(&self) -> Option<PathBuf> {
        let unpacked = PROGRAMS.map(|folder| self.directory().join(folder));
        find_on_path(self.binary).or_else(|| {
            [PathBuf::from("/usr/sbin")]
                .into_iter()
                .chain(unpacked)
                .map(|directory| directory.join(self.binary))
                .find(|file| file.is_file())
        })
    }

    fn directory(&self) -> PathBuf {
        workspace::tools().join("servers").join(self.package)
    }
}

/// Downloads and unpacks every server that is not there. One that cannot be had does not keep the others away.
///
/// # Errors
/// When one cannot be had; the message says what was tried.
pub fn install_missing() -> Result<()> {
    let missing = || SERVERS.iter().filter(|server| server.find().is_none());
    let packages: BTreeSet<&str> = missing().map(|server| server.package).collect();
    if packages.is_empty() {
        return Ok(());
    }
    let _lock = ToolsLock::acquire()?;
    let apt = Apt::with_system_sources(&workspace::tools().join("apt/system"))?;
    say("fetching apt's package lists into target/tools/apt");
    apt.update()?;
    let mut outcome = Ok(());
    for package in packages {
        say(format_args!("unpacking the Debian package {package} under target/tools/servers"));
        let installed = install(&apt, package)
            .with_context(|| format!("cannot fetch {package}: install it with `apt-get install {package}`"));
        outcome = outcome.and(installed);
    }
    outcome
}

/// Unpacks the package alone where its programs run so, since most of what it depends on is of no use here.
fn install(apt: &Apt, package: &str) -> Result<()> {
    place(&[apt.download(package)?], package)
        .or_else(|_| place(&apt.download_with_dependencies(package, None)?, package))
}

fn place(files: &[PathBuf], package: &str) -> Result<()> {
    unpack_together(files, &workspace::tools().join("servers").join(package))?;
    files.iter().try_for_each(fs::remove_file)?;
    for server in SERVERS.iter().filter(|server| server.package == package) {
        let binary = server.find().with_context(|| format!("the package has no program {}", server.binary))?;
        output(command_for(&binary).arg("--help"))
            .with_context(|| format!("{} does not run without its dependencies", binary.display()))?;
    }
    Ok(())
}
