//! A database that takes everything, after it has given the answers that it was told to, and books to follow.

use std::collections::VecDeque;
use std::io::Read as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::{Request, StatusCode};
use axum::response::IntoResponse as _;
use flate2::read::GzDecoder;
use tokio::sync::{mpsc, watch};

use crate::clock::Timestamp;
use crate::export::prometheus::sample_books;
use crate::snapshot::{Generation, Snapshot, SnapshotHandle};
use crate::units::{Microjoules, Nanoseconds};

const PATIENCE: Duration = Duration::from_secs(30);

/// A request that was answered well.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) method_and_uri: String,
    pub(super) authorization: Option<String>,
    pub(super) lines: Vec<String>,
}

#[derive(Debug)]
struct Shared {
    answers: Mutex<VecDeque<(u16, &'static str)>>,
    taken: mpsc::UnboundedSender<Taken>,
}

pub(super) struct Fake {
    pub(super) address: SocketAddr,
    shared: Arc<Shared>,
    taken: mpsc::UnboundedReceiver<Taken>,
}

impl Fake {
    pub(super) async fn start(answers: impl IntoIterator<Item = (u16, &'static str)>) -> Self {
        let (sender, taken) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared { answers: Mutex::new(answers.into_iter().collect()), taken: sender });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let router = Router::new().fallback(answer).with_state(Arc::clone(&shared));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, shared, taken }
    }

    /// How many of the answers are still to be given.
    pub(super) fn answers_left(&self) -> usize {
        self.shared.answers.lock().expect("not poisoned").len()
    }

    pub(super) async fn next(&mut self) -> Taken {
        tokio::time::timeout(PATIENCE, self.taken.recv()).await.expect("in time").expect("it listens")
    }
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request<Body>) -> axum::response::Response {
    let (head, body) = request.into_parts();
    if let Some((status, text)) = shared.answers.lock().expect("not poisoned").pop_front() {
        return (StatusCode::from_u16(status).expect("a status"), text).into_response();
    }
    let header = |name: &str| head.headers.get(name).map(|value| value.to_str().expect("text").to_owned());
    assert_eq!(header("content-encoding").as_deref(), Some("gzip"));
    let body = to_bytes(body, usize::MAX).await.expect("a whole body");
    let mut text = String::new();
    GzDecoder::new(&body[..]).read_to_string(&mut text).expect("it is gzip");
    let taken = Taken {
        method_and_uri: format!("{} {}", head.method, head.uri),
        authorization: header("authorization"),
        lines: text.lines().map(str::to_owned).collect(),
    };
    // The test may have seen enough.
    let _ = shared.taken.send(taken);
    StatusCode::NO_CONTENT.into_response()
}

/// The sample books, of which `package-0` grows by a joule with every window of a second, all of it the container's.
#[derive(Clone)]
pub(super) struct Books {
    now: Arc<Mutex<Snapshot>>,
    closed: watch::Sender<Generation>,
}

impl Books {
    pub(super) fn new() -> Self {
        let now = sample_books::full();
        Self { closed: watch::Sender::new(now.generation), now: Arc::new(Mutex::new(now)) }
    }

    pub(super) fn handle(&self) -> SnapshotHandle {
        let now = Arc::clone(&self.now);
        SnapshotHandle::new(self.closed.subscribe(), move |request| {
            let snapshot = Snapshot { since: request.since, ..now.lock().expect("not poisoned").clone() };
            // Who has asked may be gone.
            let _ = request.reply.send(Arc::new(snapshot));
            Ok(())
        })
    }

    pub(super) fn close_window(&self) {
        let mut now = self.now.lock().expect("not poisoned");
        now.generation.0 += 1;
        now.at = Timestamp(now.at.0 + Nanoseconds::SECOND.0);
        let joule = Microjoules(1_000_000);
        now.zones[0].measured += joule;
        now.zones[0].active += joule;
        now.cgroups[1].energy[0].active += joule;
        self.closed.send_replace(now.generation);
    }
}
