//! `prony top`: a live table in the terminal.

/// What `prony top` is told.
#[derive(Clone, Debug, clap::Args)]
pub struct TopArgs {}

/// Runs `prony top`.
#[expect(clippy::unused_async, reason = "nothing to wait for yet")]
pub async fn run(_args: TopArgs) -> anyhow::Result<()> {
    anyhow::bail!("'prony top' is not there yet")
}
