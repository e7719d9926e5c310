//! The agent as a user has it: a process with a configuration, two listeners and a log.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::guard::AGENT;
use crate::{Samples, free_tcp_address, get, wait_until};

/// How long the agent may take until it answers, on a slow machine and built for development.
const START_LIMIT: Duration = Duration::from_secs(30);
/// How long a test waits for the agent to end. What the agent promises is less; [`Stopped::took`] has it.
const STOP_LIMIT: Duration = Duration::from_secs(15);

/// What the agent is to be started with.
#[derive(Clone, Debug, Default)]
pub struct AgentBuilder {
    config: String,
    arguments: Vec<OsString>,
    launcher: Vec<OsString>,
    metrics: Option<SocketAddr>,
    grpc: Option<SocketAddr>,
}

/// A running agent. It is killed when it is dropped; when that is because a test fails, its log is shown.
#[derive(Debug)]
pub struct Agent {
    process: Child,
    directory: TempDir,
    metrics: SocketAddr,
    grpc: SocketAddr,
}

/// An agent that has ended.
#[derive(Clone, Debug)]
pub struct Stopped {
    /// How it ended.
    pub status: ExitStatus,
    /// How long it took from the signal, or where there was none, from its start.
    pub took: Duration,
    /// All it had written to its standard output and standard error.
    pub log: String,
}

impl AgentBuilder {
    /// The content of the configuration file; empty by default.
    #[must_use]
    pub fn config(mut self, toml: &str) -> Self {
        toml.clone_into(&mut self.config);
        self
    }

    /// More arguments of `prony run`, after those for the configuration and the listeners.
    #[must_use]
    pub fn arguments(mut self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.arguments.extend(arguments.into_iter().map(|argument| argument.as_ref().to_owned()));
        self
    }

    /// A command line that becomes the agent's, which is put behind it: `setpriv` with its options, for example.
    #[must_use]
    pub fn under(mut self, launcher: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.launcher.extend(launcher.into_iter().map(|word| word.as_ref().to_owned()));
        self
    }

    /// Where it serves Prometheus; a free port by default.
    #[must_use]
    pub fn metrics_at(mut self, address: SocketAddr) -> Self {
        self.metrics = Some(address);
        self
    }

    /// Where it serves gRPC; a free port by default.
    #[must_use]
    pub fn grpc_at(mut self, address: SocketAddr) -> Self {
        self.grpc = Some(address);
        self
    }

    /// Starts the agent of `PRONY_BIN` and waits until it serves metrics.
    ///
    /// # Errors
    /// When it ends before that, or does not get there in 30 s; the message has its log.
    pub fn start(self) -> Result<Agent> {
        self.start_until(|agent| agent.metrics().is_ok())
    }

    /// Starts the agent of `PRONY_BIN` and waits until `is_ready`, for one that does not let everybody in.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_until(self, is_ready: impl Fn(&Agent) -> bool) -> Result<Agent> {
        let mut agent = self.spawn()?;
        agent.wait_until(is_ready)?;
        Ok(agent)
    }

    /// Starts the agent of `PRONY_BIN` and waits until it ends by itself.
    ///
    /// # Errors
    /// When it still runs after 30 s; the message has its log.
    pub fn run_to_its_end(self) -> Result<Stopped> {
        let mut agent = self.spawn()?;
        let started = Instant::now();
        let ended = wait_until(START_LIMIT, || agent.process.try_wait().transpose());
        let Some(status) = ended.transpose()? else {
            bail!("the agent still runs after {} s; its log:\n{}", START_LIMIT.as_secs(), agent.log());
        };
        Ok(Stopped { status, took: started.elapsed(), log: agent.log() })
    }

    fn spawn(self) -> Result<Agent> {
        let binary = env::var_os(AGENT).with_context(|| format!("{AGENT} is not set: run `cargo xtask test`"))?;
        let directory = tempfile::tempdir()?;
        let config = directory.path().join("prony.toml");
        fs::write(&config, &self.config)?;
        let log = File::create(directory.path().join("log"))?;
        let metrics = self.metrics.map_or_else(free_tcp_address, Ok)?;
        let grpc = self.grpc.map_or_else(free_tcp_address, Ok)?;
        let command_line: Vec<&OsString> = self.launcher.iter().chain([&binary]).collect();
        let mut command = Command::new(command_line[0]);
        // What this process has there is for tests, or would configure the agent.
        for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PRONY_")) {
            command.env_remove(name);
        }
        let process = command
            .args(&command_line[1..])
            .arg("run")
            .arg("--config")
            .arg(&config)
            .args(["--metrics-listen", &metrics.to_string(), "--grpc-listen", &grpc.to_string()])
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot start {}", command_line[0].display()))?;
        Ok(Agent { process, directory, metrics, grpc })
    }
}

impl Agent {
    /// An agent that is still to be configured.
    pub fn builder() -> AgentBuilder {
        AgentBuilder::default()
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Where it serves Prometheus.
    pub fn metrics_address(&self) -> SocketAddr {
        self.metrics
    }

    /// Where it serves gRPC.
    pub fn grpc_address(&self) -> SocketAddr {
        self.grpc
    }

    /// What it has written to its standard output and standard error so far.
    pub fn log(&self) -> String {
        fs::read(self.directory.path().join("log"))
            .map(|log| String::from_utf8_lossy(&log).into_owned())
            .unwrap_or_default()
    }

    /// One scrape, as text.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn metrics(&self) -> Result<String> {
        let answer = get(self.metrics, "/metrics", &[])?;
        ensure!(answer.status == 200, "the agent answers a scrape with {}", answer.status);
        Ok(answer.text()?.to_owned())
    }

    /// One scrape, read.
    ///
    /// # Errors
    /// When it does not answer, or not in Prometheus' format.
    pub fn samples(&self) -> Result<Samples> {
        Samples::parse(&self.metrics()?)
    }

    /// Sends it a signal, for example `Signal::HUP`.
    ///
    /// # Errors
    /// When it has ended.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let process = Pid::from_child(&self.process);
        kill_process(process, signal).context("the agent has ended")
    }

    /// Rewrites its configuration file; it reads it again on `Signal::HUP`.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write_config(&self, toml: &str) -> Result<()> {
        Ok(fs::write(self.directory.path().join("prony.toml"), toml)?)
    }

    /// Asks it to end (SIGTERM) and waits for that.
    ///
    /// # Errors
    /// When it has ended before, or does not end.
    pub fn stop(mut self) -> Result<Stopped> {
        if let Some(status) = self.process.try_wait()? {
            bail!("the agent has ended by itself ({status}); its log:\n{}", self.log());
        }
        let asked = Instant::now();
        self.signal(Signal::TERM)?;
        let ended = wait_until(STOP_LIMIT, || self.process.try_wait().transpose());
        let Some(status) = ended.transpose()? else {
            bail!("the agent still runs {} s after SIGTERM; its log:\n{}", STOP_LIMIT.as_secs(), self.log());
        };
        Ok(Stopped { status, took: asked.elapsed(), log: self.log() })
    }

    fn wait_until(&mut self, is_ready: impl Fn(&Self) -> bool) -> Result<()> {
        let mut ended = None;
        let answered = wait_until(START_LIMIT, || {
            ended = self.process.try_wait().transpose();
            (ended.is_some() || is_ready(self)).then_some(())
        });
        if let Some(status) = ended.transpose()? {
            bail!("the agent ended at its start ({status}); its log:\n{}", self.log());
        }
        answered.with_context(|| {
            format!("the agent serves no metrics after {} s; its log:\n{}", START_LIMIT.as_secs(), self.log())
        })
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        if let Ok(None) = self.process.try_wait() {
            // Failing means that it has just ended.
            let _ = self.process.kill();
            let _ = self.process.wait();
        }
        if thread::panicking() {
            eprintln!("the agent's log:\n{}", self.log());
        }
    }
}
