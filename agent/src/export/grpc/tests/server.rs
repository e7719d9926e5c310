//! The server over loopback, with the generated client.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use prony_proto::energy::v1 as pb;
use prony_proto::energy::v1::energy_client::EnergyClient;
use tokio::sync::broadcast;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Streaming};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::books::{Books, WINDOW};
use super::mirror::Mirror;
use crate::config::{AccessConfig, GrpcConfig};
use crate::export::access::Access;
use crate::export::grpc::GrpcServer;
use crate::invocation::{Ended, InvocationHandle};
use crate::snapshot::Epoch;

const PATIENCE: Duration = Duration::from_secs(20);

pub(super) struct Running {
    pub(super) address: SocketAddr,
    pub(super) shutdown: CancellationToken,
    task: JoinHandle<anyhow::Result<()>>,
}

/// Nobody keeps books of invocations.
fn no_invocations() -> InvocationHandle {
    InvocationHandle::new(broadcast::channel(1).0, |_, _| Err(Ended))
}

/// Everybody is let in.
fn open_access() -> Access {
    Access::open(&AccessConfig::default()).expect("no files")
}

fn serve(books: &Books, backlog: usize) -> Running {
    serve_with(books, backlog, no_invocations())
}

pub(super) fn serve_with(books: &Books, backlog: usize, invocations: InvocationHandle) -> Running {
    let config = GrpcConfig { enabled: true, listen: (Ipv4Addr::LOCALHOST, 0).into(), backlog };
    let server =
        GrpcServer::bind(&config, &open_access(), Epoch(7), WINDOW, books.handle(), invocations).expect("a free port");
    let shutdown = CancellationToken::new();
    let address = server.address();
    Running { address, shutdown: shutdown.clone(), task: tokio::spawn(server.run(shutdown)) }
}

impl Running {
    /// A connection of its own, with the smallest window that HTTP/2 allows by default.
    async fn channel(&self) -> Channel {
        let endpoint = Endpoint::from_shared(format!("http://{}", self.address)).expect("a good address");
        let endpoint = endpoint.initial_stream_window_size(65_535).initial_connection_window_size(65_535);
        endpoint.connect().await.expect("it listens")
    }

    async fn watch(&self, resolution: Option<prost_types::Duration>) -> Streaming<pb::WatchResponse> {
        let request = pb::WatchRequest { granularity: pb::Granularity::Process as i32, filter: None, resolution };
        EnergyClient::new(self.channel().await).watch(request).await.expect("a good request").into_inner()
    }

    async fn snapshot(&self) -> pb::Picture {
        let request = pb::SnapshotRequest { granularity: pb::Granularity::Process as i32, filter: None };
        let response = EnergyClient::new(self.channel().await).snapshot(request).await.expect("a good request");
        response.into_inner().picture.expect("a picture")
    }
}

async fn next(stream: &mut Streaming<pb::WatchResponse>) -> pb::WatchResponse {
    let message = tokio::time::timeout(PATIENCE, stream.message()).await.expect("in time");
    message.expect("no error").expect("not ended")
}

fn crowd(books: &Books) -> Vec<(u32, u64)> {
    let path = format!("/{}", "long".repeat(100));
    (1..100).for_each(|pid| books.start(pid, "crowd", &path));
    (1..100).map(|pid| (pid, u64::from(pid))).collect()
}

const FINEST: Option<prost_types::Duration> = Some(prost_types::Duration { seconds: 0, nanos: 1 });

#[tokio::test]
async fn a_watch_begins_whole_goes_on_with_changes_and_ends_up_like_a_snapshot() {
    let books = Books::new();
    books.start(1, "a", "/a");
    books.start(2, "b", "/b");
    books.close_window(&[(1, 3), (2, 4)]);
    let running = serve(&books, 16);
    let mut stream = running.watch(FINEST).await;
    let first = next(&mut stream).await;
    assert!(first.whole);
    assert_eq!(first.resolution, Some(prost_types::Duration { seconds: 0, nanos: 100_000_000 }));
    let mut mirror = Mirror::default();
    mirror.apply(&first);
    for amount in 1..20 {
        books.close_window(&[(1, amount)]);
        let message = next(&mut stream).await;
        assert!(!message.whole);
        assert_eq!(message.picture.as_ref().expect("a picture").lines.len(), 1);
        mirror.apply(&message);
    }
    assert_eq!(mirror, Mirror::of_snapshot(running.snapshot().await));
}

#[tokio::test]
async fn a_slow_subscriber_is_told_and_caught_up_and_delays_nobody() {
    let books = Books::new();
    let everybody = crowd(&books);
    books.close_window(&everybody);
    let running = serve(&books, 4);
    let mut slow = running.watch(FINEST).await;
    let mut quick = running.watch(FINEST).await;
    next(&mut quick).await;
    let mut last = 0;
    for _ in 0..60 {
        last = books.close_window(&everybody).0;
        assert_eq!(next(&mut quick).await.picture.expect("a picture").generation, last, "each message at once");
    }
    let mut mirror = Mirror::default();
    let mut missed = 0;
    while mirror.generation < last {
        let message = next(&mut slow).await;
        assert!(message.missed == 0 || message.whole, "after a gap comes the whole");
        missed += message.missed;
        mirror.apply(&message);
    }
    assert!(missed > 0, "the messages are larger than what a connection holds");
    assert_eq!(mirror, Mirror::of_snapshot(running.snapshot().await));
}

#[tokio::test]
async fn a_bad_request_is_refused_with_what_is_wrong() {
    let books = Books::new();
    books.close_window(&[]);
    let running = serve(&books, 4);
    let mut client = EnergyClient::new(running.channel().await);
    let status = client.watch(pb::WatchRequest::default()).await.expect_err("no granularity");
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(status.message().contains("granularity"), "{status}");
    let filter = Some(pb::Filter { cgroup: "/".repeat(100_000), ..Default::default() });
    let request = pb::SnapshotRequest { granularity: pb::Granularity::Cgroup as i32, filter };
    let status = client.snapshot(request).await.expect_err("too large");
    assert_eq!(status.code(), Code::OutOfRange, "{status}");
}

#[tokio::test]
async fn health_is_serving_once_windows_close() {
    let books = Books::new();
    let running = serve(&books, 4);
    let mut client = HealthClient::new(running.channel().await);
    let service = "prony.energy.v1.Energy".to_owned();
    let mut statuses = client.watch(HealthCheckRequest { service }).await.expect("known").into_inner();
    let mut status = async || {
        let message = tokio::time::timeout(PATIENCE, statuses.message()).await.expect("in time");
        message.expect("no error").expect("not ended").status()
    };
    assert_eq!(status().await, ServingStatus::NotServing);
    books.close_window(&[]);
    assert_eq!(status().await, ServingStatus::Serving);
}

#[tokio::test]
async fn reflection_lists_the_services() {
    use tonic_reflection::pb::v1::ServerReflectionRequest;
    use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
    use tonic_reflection::pb::v1::server_reflection_request::MessageRequest::ListServices;
    use tonic_reflection::pb::v1::server_reflection_response::MessageResponse::ListServicesResponse;

    let books = Books::new();
    let running = serve(&books, 4);
    let ask = ServerReflectionRequest { host: String::new(), message_request: Some(ListServices(String::new())) };
    let mut client = ServerReflectionClient::new(running.channel().await);
    let mut answers = client.server_reflection_info(tokio_stream::once(ask)).await.expect("it is served").into_inner();
    let answer = answers.message().await.expect("no error").expect("an answer").message_response;
    let Some(ListServicesResponse(list)) = answer else { panic!("{answer:?}") };
    let names: Vec<String> = list.service.into_iter().map(|service| service.name).collect();
    assert!(names.contains(&"prony.energy.v1.Energy".to_owned()), "{names:?}");
    assert!(names.contains(&"grpc.health.v1.Health".to_owned()), "{names:?}");
}

#[tokio::test]
async fn shutdown_ends_streams_and_the_server_even_where_a_client_does_not_read() {
    let books = Books::new();
    let everybody = crowd(&books);
    books.close_window(&everybody);
    let running = serve(&books, 4);
    let mut reader = running.watch(FINEST).await;
    next(&mut reader).await;
    let _sleeper = running.watch(FINEST).await;
    for _ in 0..20 {
        books.close_window(&everybody);
        next(&mut reader).await;
    }
    running.shutdown.cancel();
    let end = tokio::time::timeout(PATIENCE, reader.message()).await.expect("in time");
    assert_eq!(end.expect_err("an end with a reason").code(), Code::Unavailable);
    tokio::time::timeout(PATIENCE, running.task).await.expect("in time").expect("no panic").expect("no error");
}

#[tokio::test]
async fn a_port_that_is_taken_is_told_with_the_fix() {
    let books = Books::new();
    let running = serve(&books, 4);
    let config = GrpcConfig { enabled: true, listen: running.address, backlog: 4 };
    let error = GrpcServer::bind(&config, &open_access(), Epoch(7), WINDOW, books.handle(), no_invocations())
        .expect_err("taken");
    assert!(error.to_string().contains("--grpc-listen"), "{error}");
}
