//! Runs the stages one after the other: the loop that closes windows.

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::config::Config;

/// Runs the agent until `shutdown` is cancelled. `reload` holds a new configuration whenever one was loaded.
pub async fn run(_config: Config, _reload: watch::Receiver<Config>, shutdown: CancellationToken) -> anyhow::Result<()> {
    shutdown.cancelled().await;
    Ok(())
}
