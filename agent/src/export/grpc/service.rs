//! `prony.energy.v1.Energy`: from HTTP/2 requests to the hubs. Written by hand, because generated servers encode every
//! message for every subscriber.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use prony_proto::energy::v1 as pb;
use tokio_stream::Stream;
use tonic::body::Body;
use tonic::codegen::{BoxFuture, Service, StdError, http};
use tonic::server::{Grpc, NamedService, ServerStreamingService, UnaryService};
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;

use super::codec::{Frame, FrameCodec};
use super::hub::Wish;
use super::hubs::{Hubs, stopping};
use super::pictures::Pictures;
use super::selection::{Granularity, Selection};
use super::table::Table;

/// Requests are small; this bounds what a hostile client makes us read.
const MAX_REQUEST_BYTES: usize = 16 * 1024;

/// The service, once per connection.
#[derive(Clone, Debug)]
pub(super) struct Energy {
    hubs: Arc<Hubs>,
    pictures: Pictures,
    withholds_names: bool,
}

impl Energy {
    /// Watches are served by `hubs`, snapshots from `pictures`. Lines with names of processes and commands are refused where
    /// `withholds_names`.
    pub(super) fn new(hubs: Arc<Hubs>, pictures: Pictures, withholds_names: bool) -> Self {
        Self { hubs, pictures, withholds_names }
    }

    fn select(&self, granularity: i32, filter: Option<pb::Filter>) -> Result<Selection, Status> {
        let selection = Selection::new(granularity, filter)?;
        if self.withholds_names && matches!(selection.granularity, Granularity::Process | Granularity::Command) {
            return Err(Status::permission_denied(
                "this agent does not know who asks, and withholds processes and commands: ask for CGROUP, CONTAINER, FUNCTION \
                 or ZONE, or set access.client_ca_file or access.token_file in its configuration",
            ));
        }
        Ok(selection)
    }

    async fn watch(self, request: pb::WatchRequest) -> Result<Response<FrameStream>, Status> {
        let selection = self.select(request.granularity, request.filter)?;
        let stride = self.pictures.pace().grant(request.resolution)?;
        let frames = self.hubs.subscribe(Wish { selection, stride }).await?;
        Ok(Response::new(Box::pin(frames)))
    }

    async fn snapshot(self, request: pb::SnapshotRequest) -> Result<Response<pb::SnapshotResponse>, Status> {
        let selection = self.select(request.granularity, request.filter)?;
        let whole = self.pictures.whole().await.map_err(stopping)?;
        let picture = Table::new(selection, self.pictures.epoch(), whole).whole_picture();
        Ok(Response::new(pb::SnapshotResponse { picture: Some(picture) }))
    }
}

impl NamedService for Energy {
    const NAME: &'static str = "prony.energy.v1.Energy";
}

impl<B> Service<http::Request<B>> for Energy
where
    B: tonic::codegen::Body + Send + 'static,
    B::Error: Into<StdError> + Send + 'static,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let service = self.clone();
        Box::pin(async move {
            Ok(match request.uri().path() {
                "/prony.energy.v1.Energy/Watch" => {
                    let mut grpc = Grpc::new(FrameCodec).max_decoding_message_size(MAX_REQUEST_BYTES);
                    grpc.server_streaming(Watch(service), request).await
                }
                "/prony.energy.v1.Energy/Snapshot" => {
                    let codec = ProstCodec::<pb::SnapshotResponse, pb::SnapshotRequest>::default();
                    let mut grpc = Grpc::new(codec).max_decoding_message_size(MAX_REQUEST_BYTES);
                    grpc.unary(Snapshot(service), request).await
                }
                path => Status::unimplemented(format!("there is no method {path}")).into_http(),
            })
        })
    }
}

type FrameStream = Pin<Box<dyn Stream<Item = Result<Frame, Status>> + Send>>;

struct Watch(Energy);

impl ServerStreamingService<pb::WatchRequest> for Watch {
    type Response = Frame;
    type ResponseStream = FrameStream;
    type Future = BoxFuture<Response<FrameStream>, Status>;

    fn call(&mut self, request: Request<pb::WatchRequest>) -> Self::Future {
        Box::pin(self.0.clone().watch(request.into_inner()))
    }
}

struct Snapshot(Energy);

impl UnaryService<pb::SnapshotRequest> for Snapshot {
    type Response = pb::SnapshotResponse;
    type Future = BoxFuture<Response<pb::SnapshotResponse>, Status>;

    fn call(&mut self, request: Request<pb::SnapshotRequest>) -> Self::Future {
        Box::pin(self.0.clone().snapshot(request.into_inner()))
    }
}
