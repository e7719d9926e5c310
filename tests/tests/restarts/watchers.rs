//! Who watches by gRPC while one agent takes the place of another.

use std::time::Duration;

use anyhow::{Context as _, Result};
use prony_proto::energy::v1 as pb;
use prony_proto::energy::v1::energy_client::EnergyClient;
use prony_tests::{Agent, free_tcp_address, needs_agent, needs_bpf, skip, wait_until};
use rustix::process::Signal;

use crate::keeping;

const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn a_watcher_goes_on_with_the_totals_that_it_knows() {
    if let Some(reason) = needs_bpf().or_else(needs_agent) {
        return skip("watchers::a_watcher_goes_on_with_the_totals_that_it_knows", &reason);
    }
    watch().unwrap();
}

fn picture(agent: &Agent) -> Result<pb::Picture> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let picture = runtime.block_on(async {
        let mut client = EnergyClient::connect(format!("http://{}", agent.grpc_address())).await?;
        let request = pb::SnapshotRequest { granularity: pb::Granularity::Cgroup as i32, filter: None };
        anyhow::Ok(client.snapshot(request).await?.into_inner().picture)
    })?;
    picture.context("no picture")
}

fn watch() -> Result<()> {
    let (state, address) = (tempfile::tempdir()?, free_tcp_address()?);
    let start = || keeping(state.path()).grpc_at(address).start();
    let first = start()?;
    let has_begun = || first.samples().ok().filter(|samples| samples.sum("prony_windows_total", &[]) > 3.0);
    wait_until(PATIENCE, has_begun).context("no windows")?;
    let before = picture(&first)?;
    first.signal(Signal::KILL)?;
    drop(first);
    let second = start()?;
    let after = picture(&second)?;
    assert_eq!(after.epoch, before.epoch, "totals have not begun anew");
    assert!(after.generation > before.generation, "{} after {}", after.generation, before.generation);
    for (before, after) in before.zones.iter().zip(&after.zones) {
        assert!(after.measured_microjoules >= before.measured_microjoules, "{before:?} and then {after:?}");
    }
    second.stop()?;

    let elsewhere = tempfile::tempdir()?;
    let third = keeping(elsewhere.path()).grpc_at(address).start()?;
    assert_ne!(picture(&third)?.epoch, before.epoch, "these are other books");
    third.stop()?;
    Ok(())
}
