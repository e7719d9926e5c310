//! Real servers that tests talk to. One that is installed is used; one that is not can be unpacked from its Debian
//! package under `target/tools/servers`, where it is no system package and no service.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::debian::{Apt, unpack};
use crate::lock::ToolsLock;
use crate::process::{find_on_path, output, say};
use crate::workspace;

/// A server program and the Debian package that has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Server {
    /// The program's file name.
    pub binary: &'static str,
    /// The Debian package.
    pub package: &'static str,
}

/// Every server that a test uses.
pub const SERVERS: &[Server] = &[Server { binary: "prometheus", package: "prometheus" }];

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

impl Server {
    /// Where it is: on `PATH`, in a folder for system programs, or unpacked here.
    pub fn find(&self) -> Option<PathBuf> {
        find_on_path(self.binary).or_else(|| {
            [PathBuf::from("/usr/sbin"), self.directory().join("usr/bin"), self.directory().join("usr/sbin")]
                .into_iter()
                .map(|directory| directory.join(self.binary))
                .find(|file| file.is_file())
        })
    }

    fn directory(&self) -> PathBuf {
        workspace::tools().join("servers").join(self.package)
    }
}

/// Downloads and unpacks every server that is not there.
///
/// # Errors
/// When one cannot be had; the message says what was tried.
pub fn install_missing() -> Result<()> {
    let missing: Vec<&Server> = SERVERS.iter().filter(|server| server.find().is_none()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let _lock = ToolsLock::acquire()?;
    let apt = Apt::with_system_sources(&workspace::tools().join("apt/system"))?;
    say("fetching apt's package lists into target/tools/apt");
    apt.update()?;
    for server in missing {
        say(format_args!("unpacking the Debian package {} under target/tools/servers", server.package));
        install(&apt, server).with_context(|| {
            format!("cannot fetch {}: install it with `apt-get install {}`", server.binary, server.package)
        })?;
    }
    Ok(())
}

fn install(apt: &Apt, server: &Server) -> Result<()> {
    let package = apt.download(server.package)?;
    unpack(&package, ".", &server.directory())?;
    fs::remove_file(&package)?;
    let binary = server.find().with_context(|| format!("the package has no program {}", server.binary))?;
    output(Command::new(&binary).arg("--version"))
        .with_context(|| format!("{} does not run without its dependencies", binary.display()))?;
    Ok(())
}
