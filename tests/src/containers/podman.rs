//! Containers by Podman, with storage, state and configuration of the test's own.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Error, Result};
use tempfile::TempDir;

use super::bounded;
use super::made_cgroups::MadeCgroups;
use super::rootfs::Rootfs;
use crate::{Running, wait_until};

/// How long its service may take to listen.
const PATIENCE: Duration = Duration::from_secs(30);

/// The name of the image that pods use.
const IMAGE: &str = "localhost/prony-test";

/// Podman, and the root file system of all its containers. What is left of them is removed when it is dropped.
#[derive(Debug)]
pub struct Podman {
    service: Option<Running>,
    directory: TempDir,
    rootfs: Rootfs,
    cgroups: MadeCgroups,
}

/// A container that was started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodmanContainer {
    /// Its id.
    pub id: String,
    /// Its cgroup in the hierarchy of version 2.
    pub cgroup: String,
}

impl Podman {
    /// With `runc`, cgroups made by itself (not by systemd) and no network.
    ///
    /// # Errors
    /// When there is no Podman, conmon or runc; see [`crate::needs_server`].
    pub fn new(rootfs: Rootfs) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let find = |binary| xtask::servers::find(binary).map_err(Error::msg);
        let place = |name: &str| directory.path().join(name).display().to_string();
        // The default limits are more than a machine may allow.
        let engine = format!(
            "[containers]\ndefault_ulimits = ['nofile=1024:1024', 'nproc=1024:1024']\n\
             [engine]\ncgroup_manager = 'cgroupfs'\nevents_logger = 'file'\nruntime = 'runc'\nconmon_path = ['{}']\n\
             [engine.runtimes]\nrunc = ['{}']\n",
            find("conmon")?.display(),
            find("runc")?.display()
        );
        fs::write(place("containers.conf"), engine)?;
        let storage =
            format!("[storage]\ndriver = 'vfs'\ngraphroot = '{}'\nrunroot = '{}'\n", place("graph"), place("run"));
        fs::write(place("storage.conf"), storage)?;
        fs::write(place("registries.conf"), "")?;
        let podman = Self { service: None, directory, rootfs, cgroups: MadeCgroups::default() };
        podman.cgroups.expect("/libpod_parent/conmon")?;
        Ok(podman)
    }

    /// Starts the service that speaks Docker's protocol; the socket that it listens on.
    ///
    /// # Errors
    /// When it does not listen in time.
    pub fn serve(&mut self) -> Result<PathBuf> {
        let socket = self.place("podman.sock");
        let log = File::create(self.place("log"))?;
        let mut command = self.command()?;
        command.args(["system", "service", "--time", "0"]).arg(format!("unix://{}", socket.display()));
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        self.service = Some(Running::start(&mut command)?);
        wait_until(PATIENCE, || socket.exists().then_some(())).context("Podman's service does not listen")?;
        Ok(socket)
    }

    /// Starts a container, with options of `podman run`, and without a network unless they name one.
    ///
    /// # Errors
    /// When Podman cannot.
    pub fn run(&self, name: &str, options: &[&str], arguments: &[&str]) -> Result<PodmanContainer> {
        let mut command = self.command()?;
        command.args(["run", "--detach", "--name", name]).args(options);
        if !options.iter().any(|option| option.starts_with("--network=")) {
            command.arg("--network=none");
        }
        command.arg("--rootfs").arg(self.rootfs.path()).arg(self.rootfs.program()).args(arguments);
        let id = bounded::output(&mut command)?;
        Ok(PodmanContainer { cgroup: format!("/libpod_parent/libpod-{id}"), id })
    }

    /// As [`Self::run`], in a pod with this name and id.
    ///
    /// # Errors
    /// When Podman cannot.
    pub fn run_in_pod(&self, pod: (&str, &str), name: &str, arguments: &[&str]) -> Result<PodmanContainer> {
        let (pod, pod_id) = pod;
        let mut command = self.command()?;
        command.args(["run", "--detach", "--pod", pod, "--name", name]);
        command.args([IMAGE, self.rootfs.program()]).args(arguments);
        let id = bounded::output(&mut command)?;
        Ok(PodmanContainer { cgroup: format!("/libpod_parent/{pod_id}/libpod-{id}"), id })
    }

    /// As [`Self::run`], below a cgroup of this path.
    ///
    /// # Errors
    /// When Podman cannot.
    pub fn run_below(&self, parent: &str, name: &str, arguments: &[&str]) -> Result<PodmanContainer> {
        // The container's monitor is in a group beside it.
        self.cgroups.expect(&format!("{parent}/conmon"))?;
        let PodmanContainer { id, cgroup: _ } = self.run(name, &["--cgroup-parent", parent], arguments)?;
        Ok(PodmanContainer { cgroup: format!("{parent}/libpod-{id}"), id })
    }

    /// Makes a pod with a container of its own, as they are by default; the pod's id. Containers join it by the option
    /// `--pod`.
    ///
    /// # Errors
    /// When Podman cannot.
    pub fn make_pod(&self, name: &str) -> Result<String> {
        let (archive, policy) = (self.place("image.tar"), self.place("policy.json"));
        bounded::output(Command::new("tar").arg("-cf").arg(&archive).arg("-C").arg(self.rootfs.path()).arg("."))?;
        fs::write(&policy, r#"{"default": [{"type": "insecureAcceptAnything"}]}"#)?;
        bounded::output(self.command()?.arg("import").arg("--signature-policy").args([policy, archive]).arg(IMAGE))?;
        let waiting = format!("{} sleep 60", self.rootfs.program());
        let mut command = self.command()?;
        command.args(["pod", "create", "--network", "none", "--name", name]);
        let id = bounded::output(command.args(["--infra-image", IMAGE, "--infra-command", &waiting]))?;
        self.cgroups.expect(&format!("/libpod_parent/{id}/conmon"))?;
        Ok(id)
    }

    /// What a container has written, to its standard output and its standard error.
    ///
    /// # Errors
    /// When Podman cannot tell.
    pub fn logs(&self, name: &str) -> Result<String> {
        let output = self.command()?.args(["logs", name]).output()?;
        Ok(String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    }

    fn place(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn command(&self) -> Result<Command> {
        let mut command = xtask::servers::command("podman").map_err(Error::msg)?;
        let of = |variable: &str, file: &Path| (variable.to_owned(), file.to_owned());
        command.envs([
            of("CONTAINERS_CONF", &self.place("containers.conf")),
            of("CONTAINERS_STORAGE_CONF", &self.place("storage.conf")),
            of("CONTAINERS_REGISTRIES_CONF", &self.place("registries.conf")),
            of("HOME", self.directory.path()),
        ]);
        command.env_remove("XDG_RUNTIME_DIR").arg("--tmpdir").arg(self.place("tmp"));
        Ok(command)
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        let remove = |what: &[&str]| {
            self.command()
                .and_then(|mut command| bounded::output(command.args(what).args(["--all", "--force", "--time", "0"])))
        };
        for what in [&["pod", "rm"][..], &["rm"]] {
            if let Err(error) = remove(what) {
                eprintln!("containers are left: {error:#}");
            }
        }
    }
}
