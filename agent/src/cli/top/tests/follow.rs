//! The connection, against the agent's own server.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{broadcast, mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::args;
use crate::cli::top::args::{Credentials, Granularity};
use crate::cli::top::follow::{News, follow};
use crate::cli::top::server::Server;
use crate::clock::Timestamp;
use crate::config::{AccessConfig, GrpcConfig};
use crate::export::access::Access;
use crate::export::grpc::GrpcServer;
use crate::invocation::{Ended, InvocationHandle};
use crate::snapshot::{Epoch, Generation, NodeFacts, OtherLine, Request, Snapshot, SnapshotHandle};
use crate::units::Nanoseconds;

const PATIENCE: Duration = Duration::from_secs(20);

/// An agent without consumers.
struct Agent {
    address: SocketAddr,
    shutdown: CancellationToken,
    server: JoinHandle<anyhow::Result<()>>,
    _closed: watch::Sender<Generation>,
}

impl Agent {
    fn start(port: u16) -> Self {
        let closed = watch::Sender::new(Generation(1));
        let snapshots = SnapshotHandle::new(closed.subscribe(), |request: Request| {
            // Who asked may have gone away.
            let _ = request.reply.send(Arc::new(empty(request.since)));
            Ok(())
        });
        let config = GrpcConfig { enabled: true, listen: (Ipv4Addr::LOCALHOST, port).into(), backlog: 4 };
        let invocations = InvocationHandle::new(broadcast::channel(1).0, |_, _| Err(Ended));
        let access = Access::open(&AccessConfig::default()).expect("no files");
        let (epoch, window) = (Epoch(Timestamp::now().0), Duration::from_millis(100));
        let server =
            GrpcServer::bind(&config, &access, epoch, window, snapshots, invocations).expect("the port is free");
        let (address, shutdown) = (server.address(), CancellationToken::new());
        Self { address, shutdown: shutdown.clone(), server: tokio::spawn(server.run(shutdown)), _closed: closed }
    }

    async fn stop(self) {
        self.shutdown.cancel();
        self.server.await.expect("no panic").expect("no error");
    }
}

fn server(address: SocketAddr) -> Server {
    Server::new(&address.to_string(), &Credentials::default()).expect("an address")
}

fn empty(since: Option<Generation>) -> Snapshot {
    Snapshot {
        generation: Generation(1),
        since,
        at: Timestamp(1),
        at_unix: Nanoseconds::SECOND,
        node: Arc::new(NodeFacts::default()),
        zones: Vec::new(),
        cgroups: Vec::new(),
        other_cgroups: OtherLine::default(),
        commands: Vec::new(),
        other_commands: OtherLine::default(),
        processes: Vec::new(),
        other_processes: OtherLine::default(),
        functions: Vec::new(),
        other_functions: OtherLine::default(),
        pending_functions: OtherLine::default(),
        invocations: Vec::new(),
        idle_cpu_time: Nanoseconds::ZERO,
        busy_cpu_time: Nanoseconds::ZERO,
    }
}

async fn next(news: &mut mpsc::Receiver<News>) -> News {
    tokio::time::timeout(PATIENCE, news.recv()).await.expect("in time").expect("not ended")
}

#[tokio::test]
async fn an_agent_that_restarts_is_found_again() {
    let agent = Agent::start(0);
    let address = agent.address;
    let (sender, mut news) = mpsc::channel(4);
    let request = args(&[]).request(Granularity::Process);
    let following = tokio::spawn(follow(server(address), request, sender));
    let News::Message(first) = next(&mut news).await else { panic!("no message") };
    agent.stop().await;
    let News::Lost(reason) = next(&mut news).await else { panic!("not lost") };
    assert!(reason.contains("trying again in 250ms"), "{reason}");

    let agent = Agent::start(address.port());
    let second = loop {
        if let News::Message(message) = next(&mut news).await {
            break message;
        }
    };
    assert!(second.whole);
    assert_ne!(first.picture.expect("a picture").epoch, second.picture.expect("a picture").epoch);
    drop(news);
    agent.stop().await;
    following.abort();
}

#[tokio::test]
async fn a_request_that_cannot_be_answered_is_not_tried_again() {
    let agent = Agent::start(0);
    let (sender, mut news) = mpsc::channel(4);
    let request = args(&["--pid", "1"]).request(Granularity::Cgroup);
    follow(server(agent.address), request, sender).await;
    let News::Refused(reason) = next(&mut news).await else { panic!("not refused") };
    assert!(reason.contains("filter.pid"), "{reason}");
    agent.stop().await;
}

#[tokio::test]
async fn nobody_there_is_told_with_what_to_do() {
    let agent = Agent::start(0);
    let address = agent.address;
    agent.stop().await;
    let error = crate::cli::top::run(args(&["--once", "--endpoint", &format!("http://{address}")])).await;
    let text = error.expect_err("nobody listens").to_string();
    assert!(text.contains("prony run"), "{text}");
}
