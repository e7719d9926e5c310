//! `prony run`: the agent.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use anyhow::Context as _;
use tokio::runtime::Handle;
use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;

use crate::config::{self, Config, ConfigErrors, Loaded, Override};
use crate::confine::{Confinement, Role};
use crate::host::machine_name;
use crate::pipeline;
use crate::trace::{Recorded, Recorder};

use super::logging::{self, LogFormat};
use super::signals::{Patience, Signals, attend};

/// Threads for the listeners and meters; the pipeline decides for itself where it runs.
const WORKERS: usize = 2;

/// The agent is gone 5 s after the signal, in order or not.
const PATIENCE: Patience = Patience { grace: Duration::from_millis(4_500), same_wish: Duration::from_millis(200) };

/// What a recording has, where there is one, or what the agent has failed of.
type End = anyhow::Result<Option<Recorded>>;

const EXAMPLES: &str = "\
Examples:
  sudo prony run
  sudo prony run --config prony.toml --window 10ms
  sudo prony run --metrics-listen 127.0.0.1:9290 --log-format json
  prony run --sysfs /host/sys --procfs /host/proc --node-name \"$NODE_NAME\"

Signals:
  SIGHUP           reads the configuration anew
  SIGTERM, SIGINT  end in order within 5 s; a second one ends at once
Environment:
  PRONY_<KEY>      sets a key of the configuration: PRONY_ACTIVITY_WINDOW=10ms
  RUST_LOG         says what is logged: RUST_LOG=prony=debug
Exit codes: 0 ended in order, 1 failure, 2 wrong usage or configuration.";

/// What `prony run` is told. Flags go over the environment, and that over the file.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct RunArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Form of the agent's own messages (on standard error)
    #[arg(long, value_enum, default_value_t, value_name = "FORM")]
    log_format: LogFormat,
    /// Log details; given twice, log everything
    #[arg(short, long, action = clap::ArgAction::Count)]
    verbose: u8,
}

/// Where the configuration comes from, and what goes over it.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct ConfigArgs {
    /// Configuration file [default: /etc/prony/prony.toml if it is there]
    #[arg(long, env = config::CONFIG_VARIABLE, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where to serve Prometheus metrics [default: 127.0.0.1:9190]
    #[arg(long, value_name = "ADDR")]
    metrics_listen: Option<String>,
    /// Where to serve gRPC [default: 127.0.0.1:9191]
    #[arg(long, value_name = "ADDR")]
    grpc_listen: Option<String>,
    /// Where sysfs is mounted [default: /sys]
    #[arg(long, value_name = "DIR")]
    sysfs: Option<String>,
    /// Where procfs is mounted [default: /proc]
    #[arg(long, value_name = "DIR")]
    procfs: Option<String>,
    /// Where the cgroup v2 hierarchy is mounted [default: found in /proc/self/mountinfo]
    #[arg(long, value_name = "DIR")]
    cgroupfs: Option<String>,
    /// Length of a window, 1ms to 10s [default: 100ms]
    #[arg(long, value_name = "DURATION")]
    window: Option<String>,
    /// Folder to keep the books in, so that the next agent goes on with them [default: none]
    #[arg(long, value_name = "DIR")]
    state: Option<String>,
    /// Folder of a BPF file system to keep the kernel's counters in while no agent runs; with --state [default: none]
    #[arg(long, value_name = "DIR")]
    pin: Option<String>,
    /// Name of this node in every output [default: what the variable `NODE_NAME` says, else the host name]
    #[arg(long, value_name = "NAME")]
    node_name: Option<String>,
}

impl ConfigArgs {
    /// Loads the configuration from file, environment and these flags.
    pub(super) fn load(&self) -> Result<Loaded, ConfigErrors> {
        config::load(self.config.as_deref(), &machine_name(), &config::variables(), &self.overrides())
    }

    fn overrides(&self) -> Vec<Override> {
        let Self { config: _, metrics_listen, grpc_listen, sysfs, procfs, cgroupfs, window, state, pin, node_name } =
            self;
        [
            ("prometheus.listen", "--metrics-listen", metrics_listen),
            ("grpc.listen", "--grpc-listen", grpc_listen),
            ("host.sysfs", "--sysfs", sysfs),
            ("host.procfs", "--procfs", procfs),
            ("host.cgroupfs", "--cgroupfs", cgroupfs),
            ("activity.window", "--window", window),
            ("state.directory", "--state", state),
            ("state.pin", "--pin", pin),
            ("node_name", "--node-name", node_name),
        ]
        .into_iter()
        .filter_map(|(key, flag, value)| Some(Override { key, flag, value: value.clone()? }))
        .collect()
    }
}

impl RunArgs {
    /// Loads the configuration from file, environment and these flags.
    pub(super) fn load(&self) -> Result<Loaded, ConfigErrors> {
        self.config.load()
    }

    /// Runs the agent until it is told to end, or for `length`. What comes in is written down to `recording`; what that has is
    /// told in the end.
    pub(super) fn start(
        &self,
        loaded: Loaded,
        recording: Option<Box<dyn Write + Send>>,
        length: Option<Duration>,
    ) -> End {
        logging::start(self.log_format, self.verbose)?;
        let origin = loaded.file_names().unwrap_or_else(|| format!("the defaults (no {})", config::DEFAULT_FILE));
        tracing::info!("configuration: {origin}");
        let Loaded { config, warnings, .. } = loaded;
        for warning in warnings {
            tracing::warn!("{warning}");
        }
        let confinement = Confinement::new(&config);
        let recorder = recording.map(|out| Recorder::start(out, &confinement)).transpose();
        let recorder = recorder.context("no thread for the recording: raise the limit of tasks")?;
        let (sender, receiver) = watch::channel(config.clone());
        let shutdown = CancellationToken::new();
        // Before this thread gives up what the other still needs: to open everything.
        let (agent, end) = start_agent(config, receiver, shutdown.clone(), recorder, Arc::clone(&confinement))?;
        confinement.enter(&Role::Attend);
        let workers = move || confinement.give_up_capabilities(&Role::Serve);
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.worker_threads(WORKERS).on_thread_start(workers).enable_all().build()?;
        // It waits for this and for nothing else.
        let _ = agent.send(runtime.handle().clone());
        let end = runtime.block_on(self.attend(&sender, &shutdown, end, length));
        runtime.shutdown_timeout(Duration::from_millis(100));
        end
    }

    async fn attend(
        &self,
        sender: &watch::Sender<Config>,
        shutdown: &CancellationToken,
        end: oneshot::Receiver<End>,
        length: Option<Duration>,
    ) -> End {
        let mut signals = Signals::listen()?;
        if let Some(length) = length {
            let shutdown = shutdown.clone();
            tokio::spawn(async move {
                tokio::time::sleep(length).await;
                shutdown.cancel();
            });
        }
        let end = attend(async || signals.next().await, end, || reload(&self.config, sender), shutdown, PATIENCE);
        end.await?.context("the agent has failed")?
    }
}

/// Starts the thread that the agent is run by, which waits for its runtime. What it ends with comes by the receiver.
///
/// It is none of the runtime's, so that a pipeline that does not yield cannot hold up the signals, and so that the runtime's
/// threads never have what is needed to open everything.
fn start_agent(
    config: Config,
    reload: watch::Receiver<Config>,
    shutdown: CancellationToken,
    recorder: Option<Recorder>,
    confinement: Arc<Confinement>,
) -> anyhow::Result<(mpsc::Sender<Handle>, oneshot::Receiver<End>)> {
    let (runtime, wait_for_runtime) = mpsc::channel::<Handle>();
    let (ended, end) = oneshot::channel();
    let thread = std::thread::Builder::new().name("prony-agent".into()).spawn(move || {
        let Ok(runtime) = wait_for_runtime.recv() else { return };
        let end = runtime.block_on(pipeline::run(config, reload, shutdown, recorder, &confinement));
        // Nobody waits any more for an agent that was cut off.
        let _ = ended.send(end);
    });
    thread.context("no thread for the agent: raise the limit of tasks")?;
    Ok((runtime, end))
}

/// Runs the agent until it is told to end.
pub fn run(args: &RunArgs) -> anyhow::Result<ExitCode> {
    args.start(args.load()?, None, None).map(|_| ExitCode::SUCCESS)
}

/// Reads the configuration anew. With errors in it, the old one stays.
fn reload(args: &ConfigArgs, sender: &watch::Sender<Config>) {
    match args.load() {
        Ok(Loaded { config, warnings, .. }) => {
            for warning in warnings {
                tracing::warn!("{warning}");
            }
            let changed = sender.send_if_modified(|current| {
                let changed = *current != config;
                *current = config;
                changed
            });
            tracing::info!("configuration read anew{}", if changed { "" } else { ": nothing has changed" });
        }
        Err(errors) => {
            for problem in &errors.0 {
                tracing::error!("{problem}");
            }
            tracing::error!("the configuration was not taken over: the one before stays in effect");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(file: &std::path::Path) -> ConfigArgs {
        ConfigArgs { config: Some(file.to_owned()), node_name: Some("by-flag".into()), ..ConfigArgs::default() }
    }

    #[test]
    fn a_good_configuration_is_taken_over_and_a_bad_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("prony.toml");
        let (sender, mut receiver) = watch::channel(Config::default());

        std::fs::write(&file, "activity.window = '20ms'\nnode_name = 'by-file'").unwrap();
        reload(&args(&file), &sender);
        assert!(receiver.has_changed().unwrap());
        let taken_over = receiver.borrow_and_update().clone();
        assert_eq!(taken_over.activity.window, Duration::from_millis(20));
        assert_eq!(taken_over.node_name.as_deref(), Some("by-flag"));

        std::fs::write(&file, "activity.windo = '30ms'").unwrap();
        reload(&args(&file), &sender);
        assert!(!receiver.has_changed().unwrap());

        std::fs::write(&file, "[activity]\nwindow = '20ms'").unwrap();
        reload(&args(&file), &sender);
        assert!(!receiver.has_changed().unwrap(), "nothing but the layout has changed");
    }
}
