//! The container runtime's interface against a server that speaks it.

use std::collections::HashMap;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use prony_proto::runtime::v1 as pb;
use prony_proto::runtime::v1::runtime_service_server::{RuntimeService, RuntimeServiceServer};
use tokio::net::UnixListener;
use tokio::sync::broadcast;
use tokio_stream::wrappers::{BroadcastStream, UnixListenerStream};
use tokio_stream::{Stream, StreamExt as _};
use tokio_util::sync::DropGuard;
use tonic::{Request, Response, Status};

use super::tests::{Heard, follow};
use super::*;

/// What a runtime has, and what it does.
#[derive(Clone, Debug)]
struct Runtime {
    sandboxes: Arc<Mutex<Vec<pb::PodSandbox>>>,
    containers: Arc<Mutex<Vec<pb::Container>>>,
    events: Option<broadcast::Sender<pb::ContainerEventResponse>>,
    /// What it answers to lists instead.
    refuses: Arc<Mutex<Option<Status>>>,
}

#[tonic::async_trait]
impl RuntimeService for Runtime {
    async fn version(&self, _: Request<pb::VersionRequest>) -> Result<Response<pb::VersionResponse>, Status> {
        Ok(Response::new(pb::VersionResponse { runtime_name: "double".into(), runtime_version: "1".into() }))
    }

    async fn list_pod_sandbox(
        &self,
        _: Request<pb::ListPodSandboxRequest>,
    ) -> Result<Response<pb::ListPodSandboxResponse>, Status> {
        match &*self.refuses.lock().unwrap() {
            Some(status) => Err(status.clone()),
            None => Ok(Response::new(pb::ListPodSandboxResponse { items: self.sandboxes.lock().unwrap().clone() })),
        }
    }

    async fn list_containers(
        &self,
        _: Request<pb::ListContainersRequest>,
    ) -> Result<Response<pb::ListContainersResponse>, Status> {
        Ok(Response::new(pb::ListContainersResponse { containers: self.containers.lock().unwrap().clone() }))
    }

    type GetContainerEventsStream = Pin<Box<dyn Stream<Item = Result<pb::ContainerEventResponse, Status>> + Send>>;

    async fn get_container_events(
        &self,
        _: Request<pb::GetEventsRequest>,
    ) -> Result<Response<Self::GetContainerEventsStream>, Status> {
        let events = self.events.as_ref().ok_or_else(|| Status::unimplemented("no such method"))?;
        let events = BroadcastStream::new(events.subscribe()).map(|event| Ok(event.unwrap()));
        Ok(Response::new(Box::pin(events)))
    }
}

impl Runtime {
    fn new(has_events: bool) -> Self {
        let events = has_events.then(|| broadcast::channel(16).0);
        let (sandboxes, containers, refuses) = Default::default();
        Self { sandboxes, containers, events, refuses }
    }

    fn listen(&self, socket: &Path) -> Listening {
        // Of a server that was there before.
        let _ = std::fs::remove_file(socket);
        let threads = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let server = tonic::transport::Server::builder().add_service(RuntimeServiceServer::new(self.clone()));
        let socket = socket.to_owned();
        let (ready, is_ready) = std::sync::mpsc::channel();
        threads.spawn(async move {
            let listener = UnixListenerStream::new(UnixListener::bind(socket).unwrap());
            ready.send(()).unwrap();
            server.serve_with_incoming(listener).await
        });
        is_ready.recv().unwrap();
        Listening(Some(threads))
    }

    fn add(&self, name: &str, labels: HashMap<String, String>) {
        let (sandbox, container) = pod(name, labels);
        self.sandboxes.lock().unwrap().push(sandbox);
        self.containers.lock().unwrap().push(container);
    }

    /// Waits until somebody listens to events.
    async fn is_followed(&self) {
        while self.events.as_ref().unwrap().receiver_count() == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    fn tell(&self, name: &str, container_id: &str, kind: pb::ContainerEventType) {
        let (sandbox, container) = pod(name, HashMap::new());
        let event = pb::ContainerEventResponse {
            container_id: container_id.into(),
            container_event_type: kind.into(),
            pod_sandbox_status: Some(pb::PodSandboxStatus {
                id: sandbox.id,
                metadata: sandbox.metadata,
                labels: sandbox.labels,
            }),
            containers_statuses: vec![pb::ContainerStatus { id: container.id, metadata: container.metadata }],
        };
        self.events.as_ref().unwrap().send(event).unwrap();
    }
}

fn pod(name: &str, labels: HashMap<String, String>) -> (pb::PodSandbox, pb::Container) {
    let metadata = pb::PodSandboxMetadata { name: name.into(), uid: format!("u-{name}"), namespace: "d".into() };
    let sandbox = pb::PodSandbox { id: format!("s-{name}"), metadata: Some(metadata), labels };
    let container = pb::Container {
        id: format!("c-{name}"),
        pod_sandbox_id: sandbox.id.clone(),
        metadata: Some(pb::ContainerMetadata { name: format!("main-{name}") }),
    };
    (sandbox, container)
}

/// A server with all its connections, which end when it is dropped.
struct Listening(Option<tokio::runtime::Runtime>);

impl Drop for Listening {
    fn drop(&mut self) {
        self.0.take().unwrap().shutdown_background();
    }
}

struct Socket(tempfile::TempDir);

impl Socket {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("cri.sock")
    }

    fn follow(&self, every: Duration) -> (Heard, DropGuard) {
        let config = IdentityConfig {
            metadata: MetadataChoice::Cri,
            cri_socket: Some(self.path()),
            every,
            ..IdentityConfig::default()
        };
        follow(&config)
    }
}

#[tokio::test]
async fn containers_that_are_gone_before_the_next_list_are_seen_by_their_events() {
    let (socket, runtime) = (Socket::new(), Runtime::new(true));
    runtime.add("old", HashMap::new());
    let _server = runtime.listen(&socket.path());
    let (heard, _guard) = socket.follow(Duration::from_mins(1));
    assert_eq!(heard.wait_for(2).await, ["old", "main-old"]);
    runtime.is_followed().await;

    runtime.tell("brief", "c-brief", pb::ContainerEventType::ContainerCreatedEvent);
    runtime.tell("brief", "c-brief", pb::ContainerEventType::ContainerStartedEvent);
    runtime.tell("brief", "c-brief", pb::ContainerEventType::ContainerStoppedEvent);
    runtime.tell("brief", "c-brief", pb::ContainerEventType::ContainerDeletedEvent);
    runtime.tell("brief", "s-brief", pb::ContainerEventType::ContainerDeletedEvent);
    assert_eq!(heard.wait_for(6).await[2..], ["brief", "main-brief", "-c-brief", "-u-brief"]);
    let MetadataNews::Container(container) = heard.0.lock().unwrap()[3].clone() else { panic!("a container") };
    assert_eq!(container.pod_uid.as_deref(), Some("u-brief"));
}

#[tokio::test]
async fn a_runtime_without_events_is_asked_again_and_again() {
    let (socket, runtime) = (Socket::new(), Runtime::new(false));
    let _server = runtime.listen(&socket.path());
    let (heard, _guard) = socket.follow(Duration::from_millis(20));
    runtime.add("a", HashMap::new());
    assert_eq!(heard.wait_for(2).await, ["a", "main-a"]);
    runtime.containers.lock().unwrap().clear();
    assert_eq!(heard.wait_for(3).await[2], "-c-a");
}

#[tokio::test]
async fn five_thousand_pods_with_hostile_labels_are_read() {
    let (socket, runtime) = (Socket::new(), Runtime::new(true));
    let hostile = HashMap::from([
        ("quote\"\n\\".to_owned(), "line\nbreak\"".to_owned()),
        ("long".to_owned(), "x".repeat(65_536)),
        ("x".repeat(65_536), "y".to_owned()),
    ]);
    runtime.add("hostile", hostile);
    for number in 1..5_000 {
        runtime.add(&format!("pod-{number}"), HashMap::from([("app".to_owned(), "x".repeat(800))]));
    }
    let _server = runtime.listen(&socket.path());
    let (heard, _guard) = socket.follow(Duration::from_mins(1));
    heard.wait_for(10_000).await;
    let news = heard.0.lock().unwrap();
    let pods = news.iter().filter_map(|news| if let MetadataNews::Pod(pod) = news { Some(pod) } else { None });
    let pod = pods.clone().find(|pod| &*pod.name == "hostile").unwrap();
    assert_eq!(pods.count(), 5_000);
    assert_eq!(pod.labels.len(), 2, "a key that is too long is left out");
    assert_eq!(&*pod.labels["quote\"\n\\"], "line\nbreak\"");
    assert_eq!(pod.labels["long"].len(), 256);
}

#[tokio::test]
async fn a_runtime_that_fails_goes_away_and_comes_back_loses_no_name() {
    let (socket, runtime) = (Socket::new(), Runtime::new(true));
    *runtime.refuses.lock().unwrap() = Some(Status::unavailable("starting"));
    runtime.add("a", HashMap::new());
    let server = runtime.listen(&socket.path());
    let (heard, _guard) = socket.follow(Duration::from_millis(20));
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(heard.names().is_empty());
    *runtime.refuses.lock().unwrap() = None;
    assert_eq!(heard.wait_for(2).await, ["a", "main-a"]);

    drop(server);
    runtime.add("b", HashMap::new());
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(heard.names().len(), 2, "what is known stays");
    let _server = runtime.listen(&socket.path());
    assert_eq!(heard.wait_for(4).await[2..], ["b", "main-b"]);
}

#[test]
fn the_configured_socket_goes_before_the_usual_ones() {
    assert_eq!(cri::socket(Some(Path::new("/x"))), PathBuf::from("/x"));
    assert!(cri::socket(None).starts_with("/run"));
}
