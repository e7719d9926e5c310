//! `prony meter-sim`: a power meter for people without one.

/// What `prony meter-sim` is told.
#[derive(Clone, Debug, clap::Args)]
pub struct MeterSimArgs {}

/// Runs `prony meter-sim`.
#[expect(clippy::unused_async, reason = "nothing to wait for yet")]
pub async fn run(_args: MeterSimArgs) -> anyhow::Result<()> {
    anyhow::bail!("'prony meter-sim' is not there yet")
}
