//! The listener, its limits, and its end.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;

use crate::config::GrpcConfig;
use crate::export::access::Access;
use crate::export::listen::Listener;
use crate::export::otlp::Forwarder;
use crate::invocation::InvocationHandle;
use crate::snapshot::{Epoch, SnapshotHandle};

use super::connections::{Limits, limited};
use super::services::GrpcServices;

/// Streams of one connection.
const MAX_CONCURRENT_STREAMS: u32 = 64;
/// The headers of one request.
const MAX_HEADER_BYTES: u32 = 16 * 1024;
/// Who does not answer a ping after this long is gone.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(20);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long clients may take to see the end of their streams.
const DRAIN: Duration = Duration::from_secs(1);

pub(super) const LISTENER: Listener = Listener { purpose: "gRPC", flag: "--grpc-listen", key: "grpc.listen" };

/// A bound listener.
#[derive(Debug)]
pub struct GrpcServer {
    incoming: TcpIncoming,
    address: SocketAddr,
    services: GrpcServices,
}

impl GrpcServer {
    /// Binds the address; has to be called within a Tokio runtime. `epoch` is that of the books, and `window` the
    /// length of the agent's windows, the finest resolution that is given. Where anybody on other machines can come in, that is
    /// 1 s, and names of processes and commands are withheld.
    ///
    /// # Errors
    /// Where the address cannot be bound; the text names what to do.
    pub fn bind(
        config: &GrpcConfig,
        access: &Access,
        epoch: Epoch,
        window: Duration,
        snapshots: SnapshotHandle,
        invocations: InvocationHandle,
    ) -> anyhow::Result<Self> {
        let incoming = TcpIncoming::bind(config.listen)
            .map_err(|error| anyhow::anyhow!(LISTENER.refused(config.listen, &error)))?
            .with_nodelay(Some(true));
        let address = incoming.local_addr().context("cannot read the gRPC listener's own address")?;
        let services = GrpcServices::new(config, access, epoch, window, snapshots, invocations);
        Ok(Self { incoming, address, services })
    }

    /// Hands the spans that it receives to `forwarder`, if there is one.
    #[must_use]
    pub fn forward_to(mut self, forwarder: Option<Forwarder>) -> Self {
        self.services.forward_to(forwarder);
        self
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it listens, as a client writes it.
    pub fn url(&self) -> String {
        format!("{}://{}", self.services.gate().scheme(), self.address)
    }

    /// Serves until `shutdown`, then ends all streams and returns within about a second.
    ///
    /// # Errors
    /// Where the listener fails.
    pub async fn run(self, shutdown: CancellationToken) -> anyhow::Result<()> {
        let stop = shutdown.child_token();
        let _stop_with_us = stop.clone().drop_guard();
        let gate = self.services.gate().clone();
        let routes = self.services.routes(&stop).await?;
        let serving = Server::builder()
            .max_concurrent_streams(MAX_CONCURRENT_STREAMS)
            .http2_keepalive_interval(Some(KEEPALIVE_INTERVAL))
            .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
            .http2_max_header_list_size(MAX_HEADER_BYTES)
            .add_routes(routes)
            .serve_with_incoming_shutdown(
                limited(self.incoming, gate, Limits::default()),
                stop.clone().cancelled_owned(),
            );
        let drained = async {
            stop.cancelled().await;
            tokio::time::sleep(DRAIN).await;
        };
        tokio::select! {
            served = serving => served.context("the gRPC listener failed"),
            () = drained => Ok(()),
        }
    }
}
