//! The listener, its limits, and its end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use prony_proto::invocation::v1::invocations_server::InvocationsServer;
use tokio_util::sync::CancellationToken;
use tonic::server::NamedService;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use crate::config::GrpcConfig;
use crate::export::access::{Access, Door, Gate};
use crate::export::listen::Listener;
use crate::export::otlp::{Forwarder, TraceReceiver};
use crate::invocation::InvocationHandle;
use crate::snapshot::{Epoch, SnapshotHandle};

use super::admission::Admission;
use super::connections;
use super::hubs::Hubs;
use super::invocations::InvocationService;
use super::pace::Pace;
use super::pictures::Pictures;
use super::service::Energy;

/// Streams of one connection.
const MAX_CONCURRENT_STREAMS: u32 = 64;
/// The headers of one request.
const MAX_HEADER_BYTES: u32 = 16 * 1024;
/// Who does not answer a ping after this long is gone.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(20);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long clients may take to see the end of their streams.
const DRAIN: Duration = Duration::from_secs(1);
/// Windows that stay away for this long make the service unhealthy.
const STALLED_AFTER: Duration = Duration::from_secs(5);
/// How often it is looked whether windows close: far more rarely than they do, since every look wakes a thread.
const LOOK_EVERY: Duration = Duration::from_secs(1);

pub(super) const LISTENER: Listener = Listener { purpose: "gRPC", flag: "--grpc-listen", key: "grpc.listen" };

/// A bound listener.
#[derive(Debug)]
pub struct GrpcServer {
    incoming: TcpIncoming,
    address: SocketAddr,
    gate: Gate,
    backlog: usize,
    epoch: Epoch,
    window: Duration,
    snapshots: SnapshotHandle,
    invocations: InvocationHandle,
    forwarder: Option<Forwarder>,
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
        let (gate, backlog) = (Gate::new(access, Door::Grpc, address), config.backlog);
        Ok(Self { incoming, address, gate, backlog, epoch, window, snapshots, invocations, forwarder: None })
    }

    /// Hands the spans that it receives to `forwarder`, if there is one.
    #[must_use]
    pub fn forward_to(mut self, forwarder: Option<Forwarder>) -> Self {
        self.forwarder = forwarder;
        self
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it listens, as a client writes it.
    pub fn url(&self) -> String {
        format!("{}://{}", self.gate.scheme(), self.address)
    }

    /// Serves until `shutdown`, then ends all streams and returns within about a second.
    ///
    /// # Errors
    /// Where the listener fails.
    pub async fn run(self, shutdown: CancellationToken) -> anyhow::Result<()> {
        let stop = shutdown.child_token();
        let _stop_with_us = stop.clone().drop_guard();
        let held = self.gate.is_open();
        let pictures = Pictures::new(self.snapshots.clone(), Pace::new(self.window, held), self.epoch.0);
        let hubs = Arc::new(Hubs::new(pictures.clone(), self.backlog, stop.clone()));
        let (reporter, health) = tonic_health::server::health_reporter();
        set_health(&reporter, ServingStatus::NotServing).await;
        tokio::spawn(stop.clone().run_until_cancelled_owned(report_health(reporter, self.snapshots, self.window)));
        let reflection = tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(prony_proto::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            .build_v1()
            .context("the built-in file descriptors are damaged: build the agent again")?;
        let admission = Admission::new(self.gate.clone());
        let invocations = InvocationService::new(self.invocations.clone(), held, stop.clone());
        let serving = Server::builder()
            .max_concurrent_streams(MAX_CONCURRENT_STREAMS)
            .http2_keepalive_interval(Some(KEEPALIVE_INTERVAL))
            .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
            .http2_max_header_list_size(MAX_HEADER_BYTES)
            .add_service(admission.before(Energy::new(hubs, pictures, held)))
            .add_service(admission.before(TraceReceiver::new(self.invocations.clone(), self.forwarder).service()))
            .add_service(admission.before(InvocationsServer::new(invocations)))
            .add_service(health)
            .add_service(admission.before(reflection))
            .serve_with_incoming_shutdown(
                connections::limited(self.incoming, self.gate),
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

/// `SERVING` as long as windows close.
async fn report_health(reporter: HealthReporter, mut snapshots: SnapshotHandle, window: Duration) {
    let patience = STALLED_AFTER.max(window * 3);
    let mut status = ServingStatus::NotServing;
    loop {
        let now = match tokio::time::timeout(patience.saturating_sub(LOOK_EVERY), snapshots.window_closed()).await {
            Ok(Ok(_)) => ServingStatus::Serving,
            Ok(Err(_)) => return set_health(&reporter, ServingStatus::NotServing).await,
            Err(_) => ServingStatus::NotServing,
        };
        if now != status {
            set_health(&reporter, now).await;
            status = now;
        }
        if status == ServingStatus::Serving {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

/// For the service, and under the empty name for the server as a whole.
async fn set_health(reporter: &HealthReporter, status: ServingStatus) {
    for name in ["", Energy::NAME] {
        reporter.set_service_status(name, status).await;
    }
}
