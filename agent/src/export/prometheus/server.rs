//! The HTTP server.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::map_response;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower_http::CompressionLevel;
use tower_http::compression::CompressionLayer;

use crate::config::PrometheusConfig;
use crate::export::listen::Listener;
use crate::notice::Notice;
use crate::snapshot::{Generation, SnapshotHandle};
use crate::telemetry;

use super::connection::{LimitedListener, Limits};
use super::negotiation::Format;
use super::renderer::Renderer;

/// How long the pipeline may take to answer before the client is told that it does not; it answers within a window.
const PIPELINE_ANSWERS_WITHIN: Duration = Duration::from_secs(5);

/// How long answers that are under way may take after the agent was told to stop.
const LAST_ANSWERS_WITHIN: Duration = Duration::from_secs(2);

/// How much of a page is handed to the connection at once; other tasks get their turn in between.
const PIECE: usize = 64 * 1024;

static NO_ANSWER: Notice = Notice::new("snapshot_unanswered");

const LISTENER: Listener = Listener { purpose: "Prometheus", flag: "--metrics-listen", key: "prometheus.listen" };

/// A listener that nobody is served on yet.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    processes: bool,
    limits: Limits,
}

impl Server {
    /// Takes the configured address. The error says what to do.
    pub async fn bind(config: &PrometheusConfig) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(config.listen)
            .await
            .map_err(|error| anyhow::anyhow!(LISTENER.refused(config.listen, &error)))?;
        Ok(Self { listener, processes: config.processes, limits: Limits::default() })
    }

    /// Where it listens: the configured address, with the port that the kernel chose where that was 0.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves `/metrics`, `/healthz` and `/` until `shutdown`. `recorder` holds the agent's own telemetry (see [`telemetry::install`]).
    pub async fn run(
        self,
        snapshots: SnapshotHandle,
        recorder: PrometheusHandle,
        shutdown: CancellationToken,
    ) -> anyhow::Result<()> {
        let renderer = Arc::new(Renderer::new(recorder, self.processes));
        let listener = LimitedListener::new(self.listener, self.limits);
        let stopping = shutdown.clone();
        let serving = axum::serve(listener, router(App { snapshots, renderer }))
            .with_graceful_shutdown(shutdown.cancelled_owned());
        tokio::select! {
            ended = serving => ended.context("the Prometheus listener ended"),
            () = async { stopping.cancelled().await; tokio::time::sleep(LAST_ANSWERS_WITHIN).await } => Ok(()),
        }
    }
}

#[derive(Clone, Debug)]
struct App {
    snapshots: SnapshotHandle,
    renderer: Arc<Renderer>,
}

fn router(app: App) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(health))
        .route("/", get(index))
        .layer(CompressionLayer::new().quality(CompressionLevel::Fastest))
        .layer(map_response(one_request_each))
        .with_state(app)
}

/// The limits on a connection are limits on a request because there is one request on each.
async fn one_request_each(mut response: Response) -> Response {
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

async fn index() -> Html<&'static str> {
    Html(include_str!("index.html"))
}

async fn health(State(app): State<App>) -> Response {
    // A picture without any line: what has changed after the end of all windows.
    match tokio::time::timeout(PIPELINE_ANSWERS_WITHIN, app.snapshots.changed(Generation(u64::MAX))).await {
        Ok(Ok(_)) => "ok\n".into_response(),
        Ok(Err(stopped)) => unavailable(stopped.to_string()),
        Err(_) => unavailable(no_answer()),
    }
}

async fn metrics(State(app): State<App>, headers: HeaderMap) -> Response {
    let accept = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let format = Format::negotiate(accept);
    let snapshot = match tokio::time::timeout(PIPELINE_ANSWERS_WITHIN, app.snapshots.whole()).await {
        Ok(Ok(snapshot)) => snapshot,
        Ok(Err(stopped)) => return unavailable(stopped.to_string()),
        Err(_) => return unavailable(no_answer()),
    };
    ::metrics::counter!(telemetry::SCRAPES.name, "format" => format.name()).increment(1);
    match tokio::task::spawn_blocking(move || app.renderer.page(&snapshot, format)).await {
        Ok(page) => {
            let headers = [(header::CONTENT_TYPE, format.content_type()), (header::VARY, "accept")];
            (headers, in_pieces(page)).into_response()
        }
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("rendering failed: {error}\n")).into_response(),
    }
}

fn no_answer() -> String {
    let message = format!(
        "the books were not answered for within {} s: the machine is overloaded or the agent is stuck",
        PIPELINE_ANSWERS_WITHIN.as_secs()
    );
    NO_ANSWER.warn(&message);
    message
}

fn unavailable(reason: String) -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, reason + "\n").into_response()
}

/// A small page as it is; a large one bit by bit, so that compressing it does not keep other tasks waiting.
fn in_pieces(mut page: Bytes) -> Body {
    if page.len() <= PIECE {
        return Body::from(page);
    }
    Body::from_stream(async_stream::stream! {
        while !page.is_empty() {
            yield Ok::<Bytes, io::Error>(page.split_to(page.len().min(PIECE)));
            tokio::task::yield_now().await;
        }
    })
}

#[cfg(test)]
#[path = "server_tests.rs"]
mod tests;
