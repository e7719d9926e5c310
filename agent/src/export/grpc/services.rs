//! What is served, whoever hands in the requests.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use prony_proto::invocation::v1::invocations_server::InvocationsServer;
use tokio_util::sync::CancellationToken;
use tonic::server::NamedService;
use tonic::service::Routes;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use crate::config::GrpcConfig;
use crate::export::access::{Access, Door, Gate};
use crate::export::otlp::{Forwarder, TraceReceiver};
use crate::invocation::InvocationHandle;
use crate::snapshot::{Epoch, SnapshotHandle};

use super::admission::Admission;
use super::hubs::Hubs;
use super::invocations::InvocationService;
use super::pace::Pace;
use super::pictures::Pictures;
use super::service::Energy;

/// Windows that stay away for this long make the service unhealthy.
const STALLED_AFTER: Duration = Duration::from_secs(5);
/// How often it is looked whether windows close: far more rarely than they do, since every look wakes a thread.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// All services, without a listener.
#[derive(Debug)]
pub struct GrpcServices {
    gate: Gate,
    backlog: usize,
    epoch: Epoch,
    window: Duration,
    snapshots: SnapshotHandle,
    invocations: InvocationHandle,
    forwarder: Option<Forwarder>,
}

impl GrpcServices {
    /// `epoch` is that of the books, and `window` the length of the agent's windows, the finest resolution that is given.
    /// Where anybody on other machines can come in, that is 1 s, and names of processes and commands are withheld.
    pub fn new(
        config: &GrpcConfig,
        access: &Access,
        epoch: Epoch,
        window: Duration,
        snapshots: SnapshotHandle,
        invocations: InvocationHandle,
    ) -> Self {
        let (gate, backlog) = (Gate::new(access, Door::Grpc, config.listen), config.backlog);
        Self { gate, backlog, epoch, window, snapshots, invocations, forwarder: None }
    }

    /// Hands the spans that are received to `forwarder`, if there is one.
    pub(super) fn forward_to(&mut self, forwarder: Option<Forwarder>) {
        self.forwarder = forwarder;
    }

    /// What is asked of who comes.
    pub(super) fn gate(&self) -> &Gate {
        &self.gate
    }

    /// The services by their names, which end their streams at `stop`.
    ///
    /// # Errors
    /// Where the build is damaged.
    pub async fn routes(self, stop: &CancellationToken) -> anyhow::Result<Routes> {
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
        let admission = Admission::new(self.gate);
        let invocations = InvocationService::new(self.invocations.clone(), held, stop.clone());
        Ok(Routes::new(admission.before(Energy::new(hubs, pictures, held)))
            .add_service(admission.before(TraceReceiver::new(self.invocations, self.forwarder).service()))
            .add_service(admission.before(InvocationsServer::new(invocations)))
            .add_service(health)
            .add_service(admission.before(reflection)))
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
