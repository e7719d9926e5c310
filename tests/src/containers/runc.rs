//! Containers by `runc` alone: what every other runtime comes down to.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Error, Result, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::bounded;
use super::made_cgroups::MadeCgroups;
use super::rootfs::Rootfs;
use crate::{CgroupFolder, wait_until};

/// How long a container may run.
const LONGEST_RUN: Duration = Duration::from_secs(30);

/// `runc` with a state of its own, and the root file system of all its containers.
#[derive(Debug)]
pub struct Runc {
    program: PathBuf,
    rootfs: Rootfs,
    state: TempDir,
    cgroups: MadeCgroups,
}

/// A container. It is killed and deleted when it is dropped.
#[derive(Debug)]
pub struct RuncContainer<'runc> {
    runc: &'runc Runc,
    id: String,
    bundle: TempDir,
    cgroup: CgroupFolder,
}

impl Runc {
    /// With this root file system, which containers cannot write to.
    ///
    /// # Errors
    /// When there is no `runc`; see [`crate::needs_server`].
    pub fn new(rootfs: Rootfs) -> Result<Self> {
        let program = xtask::servers::find("runc").map_err(Error::msg)?;
        Ok(Self { program, rootfs, state: tempfile::tempdir()?, cgroups: MadeCgroups::default() })
    }

    /// Makes a container in the cgroup of this path in every hierarchy. It waits to be started, as a process of `runc`
    /// in that cgroup.
    ///
    /// # Errors
    /// When `runc` cannot make it.
    pub fn create(&self, id: &str, cgroup: &str, arguments: &[&str]) -> Result<RuncContainer<'_>> {
        let bundle = tempfile::tempdir()?;
        fs::write(bundle.path().join("config.json"), self.spec(cgroup, arguments).to_string())?;
        self.cgroups.expect(cgroup)?;
        // From here on there is something to delete.
        let container = RuncContainer { runc: self, id: id.to_owned(), bundle, cgroup: CgroupFolder::at(cgroup)? };
        // The container keeps what `runc create` has as its standard output and error.
        let (output, log) = (container.bundle.path().join("output"), container.bundle.path().join("log"));
        let create = self
            .command()
            .arg("--log")
            .arg(&log)
            .args(["create", "--bundle"])
            .arg(container.bundle.path())
            .arg(id)
            .stdin(Stdio::null())
            .stdout(File::create(output)?)
            .stderr(Stdio::null())
            .status()?;
        ensure!(create.success(), "runc cannot make {id}: {}", fs::read_to_string(&log).unwrap_or_default());
        Ok(container)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("--root").arg(self.state.path());
        command
    }

    /// What is needed of the runtime specification's `config.json`.
    fn spec(&self, cgroup: &str, arguments: &[&str]) -> Value {
        let command: Vec<&str> = [self.rootfs.program()].iter().chain(arguments).copied().collect();
        let namespaces = ["pid", "mount", "ipc", "uts"].map(|kind| json!({"type": kind}));
        json!({
            "ociVersion": "1.0.2",
            "process": {"user": {"uid": 0, "gid": 0}, "args": command, "cwd": "/", "noNewPrivileges": true},
            "root": {"path": self.rootfs.path(), "readonly": true},
            "mounts": [
                {"destination": "/proc", "type": "proc", "source": "proc"},
                {"destination": "/dev", "type": "tmpfs", "source": "tmpfs"},
                {"destination": "/tmp", "type": "tmpfs", "source": "tmpfs"},
            ],
            "linux": {"cgroupsPath": cgroup, "namespaces": namespaces},
        })
    }
}

impl RuncContainer<'_> {
    /// Lets its program run.
    ///
    /// # Errors
    /// When `runc` cannot.
    pub fn start(&self) -> Result<()> {
        bounded::output(self.runc.command().args(["start", &self.id])).map(drop)
    }

    /// Waits until its processes have ended. Its cgroup stays until it is dropped.
    ///
    /// # Errors
    /// When they have not after half a minute.
    pub fn wait(&self) -> Result<()> {
        wait_until(LONGEST_RUN, || self.cgroup.is_empty().ok().filter(|empty| *empty))
            .with_context(|| format!("the container {} does not end", self.id))
            .map(drop)
    }

    /// Its cgroup in the v2 hierarchy.
    pub fn cgroup(&self) -> &CgroupFolder {
        &self.cgroup
    }

    /// What it has written to its standard output.
    ///
    /// # Errors
    /// When that is no text.
    pub fn output(&self) -> Result<String> {
        Ok(fs::read_to_string(self.bundle.path().join("output"))?)
    }
}

impl Drop for RuncContainer<'_> {
    fn drop(&mut self) {
        let deleted = bounded::output(self.runc.command().args(["delete", "--force", &self.id]));
        if let Err(error) = deleted {
            eprintln!("a container is left: {error:#}");
        }
    }
}
