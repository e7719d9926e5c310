//! Where the agent's own messages go: standard error, as text or JSON.

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use super::kept_warnings::KeepWarnings;

/// The form of the agent's messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum LogFormat {
    /// One line of text a message.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Sends messages to standard error. `RUST_LOG` says which; without it, `verbosity` does: 0 for warnings and what is
/// worth knowing, 1 for details, 2 and more for everything.
pub(super) fn start(format: LogFormat, verbosity: u8) -> anyhow::Result<()> {
    use std::io::IsTerminal;

    // The kernel programs' diagnostics come as `prony_ebpf`; how much of them, `activity.kernel_log` says.
    // What `kube` warns of, the metadata sources say themselves, and not each time.
    let level = match verbosity {
        0 => "info,prony_ebpf=trace,kube_runtime=error,kube_client=off",
        1 => "info,prony=debug,prony_ebpf=trace,kube_runtime=error,kube_client=off",
        _ => "info,prony=trace,prony_ebpf=trace",
    };
    let filter = match std::env::var("RUST_LOG") {
        Ok(filter) if !filter.is_empty() => EnvFilter::try_new(&filter)
            .map_err(|error| anyhow::anyhow!("RUST_LOG is '{filter}' ({error}): write for example 'prony=debug'"))?,
        _ => EnvFilter::new(level),
    };
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match format {
        LogFormat::Text => {
            builder.with_ansi(std::io::stderr().is_terminal()).with_target(false).finish().with(KeepWarnings).try_init()
        }
        LogFormat::Json => builder.json().flatten_event(true).finish().with(KeepWarnings).try_init(),
    };
    started.map_err(|error| anyhow::anyhow!("messages cannot be set up: {error}"))
}
