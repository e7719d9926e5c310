//! Containers by containerd, a daemon of the test's own, as `ctr` starts them.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Error, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::bounded;
use super::made_cgroups::MadeCgroups;
use super::rootfs::Rootfs;
use crate::{Running, wait_until};

/// How long the daemon may take to answer, or to end.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running containerd, and the root file system of all its containers.
#[derive(Debug)]
pub struct Containerd {
    daemon: Option<Running>,
    directory: TempDir,
    rootfs: Rootfs,
    cgroups: MadeCgroups,
}

/// A container and its task. It is killed and deleted when it is dropped.
#[derive(Debug)]
pub struct Task<'containerd> {
    containerd: &'containerd Containerd,
    namespace: &'containerd str,
    id: String,
}

impl Containerd {
    /// Starts the daemon with a state of its own, and without the plugin for Kubernetes.
    ///
    /// # Errors
    /// When there is no `containerd` (see [`crate::needs_server`]), or it does not answer.
    pub fn start(rootfs: Rootfs) -> Result<Self> {
        Self::configured(rootfs, "disabled_plugins = ['io.containerd.grpc.v1.cri']")
    }

    /// Starts the daemon as [`Self::start`] does, with the plugin for Kubernetes: it answers to CRI on its socket.
    ///
    /// # Errors
    /// As for [`Self::start`].
    pub fn for_kubernetes(rootfs: Rootfs) -> Result<Self> {
        Self::configured(rootfs, "")
    }

    /// Where it listens.
    pub fn socket(&self) -> PathBuf {
        self.place("socket")
    }

    fn configured(rootfs: Rootfs, plugins: &str) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let place = |name: &str| directory.path().join(name);
        let config = format!(
            "version = 2\nroot = '{}'\nstate = '{}'\n{plugins}\n[grpc]\naddress = '{}'\n",
            place("root").display(),
            place("state").display(),
            place("socket").display()
        );
        fs::write(place("config.toml"), config)?;
        let log = File::create(place("log"))?;
        let mut command = xtask::servers::command("containerd").map_err(Error::msg)?;
        command.arg("--config").arg(place("config.toml")).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let daemon = Some(Running::start(&mut command)?);
        let containerd = Self { daemon, directory, rootfs, cgroups: MadeCgroups::default() };
        let answers = wait_until(PATIENCE, || bounded::output(containerd.ctr("default").ok()?.arg("version")).ok());
        if answers.is_none() {
            bail!("containerd does not answer; its log:\n{}", fs::read_to_string(containerd.place("log"))?);
        }
        Ok(containerd)
    }

    /// Starts a container in a namespace of containerd's. Without a cgroup it is in `/<namespace>/<id>`; one that does
    /// not begin with a slash is below the daemon's own.
    ///
    /// # Errors
    /// When containerd cannot.
    pub fn run<'it>(
        &'it self,
        namespace: &'it str,
        id: &str,
        cgroup: Option<&str>,
        arguments: &[&str],
    ) -> Result<Task<'it>> {
        self.cgroups.expect(cgroup.unwrap_or(&format!("/{namespace}/{id}")))?;
        let task = Task { containerd: self, namespace, id: id.to_owned() };
        let mut command = self.ctr(namespace)?;
        command.args(["run", "--detach", "--null-io", "--read-only"]);
        command.args(cgroup.iter().flat_map(|cgroup| ["--cgroup", cgroup]));
        command.arg("--rootfs").arg(self.rootfs.path()).args([id, self.rootfs.program()]).args(arguments);
        bounded::output(&mut command)?;
        Ok(task)
    }

    fn place(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn ctr(&self, namespace: &str) -> Result<Command> {
        let mut command = xtask::servers::command("ctr").map_err(Error::msg)?;
        command.arg("--address").arg(self.place("socket")).args(["--namespace", namespace]);
        Ok(command)
    }
}

impl Drop for Containerd {
    fn drop(&mut self) {
        // Asked to, it gives back what it has mounted. If it does not end, it is killed by being dropped.
        if let Some(mut daemon) = self.daemon.take()
            && let Some(pid) = i32::try_from(daemon.pid()).ok().and_then(Pid::from_raw)
            && kill_process(pid, Signal::TERM).is_ok()
        {
            let _ = wait_until(PATIENCE, || daemon.ended().transpose());
        }
    }
}

impl Task<'_> {
    /// Its first process, by the host's numbers.
    ///
    /// # Errors
    /// When containerd does not know it.
    pub fn pid(&self) -> Result<u32> {
        let list = bounded::output(self.containerd.ctr(self.namespace)?.args(["tasks", "list"]))?;
        let line = list.lines().find(|line| line.starts_with(&self.id)).context("containerd does not know the task")?;
        Ok(line.split_whitespace().nth(1).context("no process")?.parse()?)
    }

    fn delete(&self) -> Result<()> {
        bounded::output(self.containerd.ctr(self.namespace)?.args(["tasks", "delete", "--force", &self.id]))?;
        bounded::output(self.containerd.ctr(self.namespace)?.args(["containers", "delete", &self.id])).map(drop)
    }
}

impl Drop for Task<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.delete() {
            eprintln!("a container is left: {error:#}");
        }
    }
}
