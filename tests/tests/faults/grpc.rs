//! As much of gRPC as these tests need.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result};
use prony_proto::energy::v1 as pb;
use prony_proto::energy::v1::energy_client::EnergyClient;
use tokio::runtime::Runtime;
use tonic::Streaming;

/// Time of all CPUs, up to the end of a window.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CpuTime {
    /// When that was, by the monotonic clock.
    pub(crate) at: Duration,
    /// Of all consumers, and idle.
    pub(crate) counted: Duration,
    /// How many CPUs there are.
    pub(crate) cpus: u32,
}

/// What the agent has counted.
pub(crate) fn cpu_time(runtime: &Runtime, agent: SocketAddr) -> Result<CpuTime> {
    let request = pb::SnapshotRequest { granularity: pb::Granularity::Cgroup as i32, filter: None };
    let picture = runtime
        .block_on(async {
            EnergyClient::connect(format!("http://{agent}")).await?.snapshot(request).await.map_err(anyhow::Error::from)
        })?
        .into_inner()
        .picture
        .context("a picture")?;
    let totals = picture.lines.iter().filter_map(|line| line.totals.as_ref()).chain(&picture.other);
    let busy: u64 = totals.map(|totals| totals.cpu_nanoseconds).sum();
    let at = picture.at.context("a time")?;
    Ok(CpuTime {
        at: Duration::new(at.seconds.cast_unsigned(), at.nanos.cast_unsigned()),
        counted: Duration::from_nanos(busy + picture.idle_cpu_nanoseconds),
        cpus: picture.node.context("a node")?.cpus,
    })
}

/// A subscription that has got its first message.
pub(crate) fn watch(runtime: &Runtime, agent: SocketAddr) -> Result<Streaming<pb::WatchResponse>> {
    let request = pb::WatchRequest { granularity: pb::Granularity::Process as i32, filter: None, resolution: None };
    runtime.block_on(async {
        let mut stream = EnergyClient::connect(format!("http://{agent}")).await?.watch(request).await?.into_inner();
        stream.message().await?.context("a first message")?;
        Ok(stream)
    })
}
