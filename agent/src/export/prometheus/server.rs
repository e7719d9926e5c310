//! The HTTP server.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state, map_response};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower_http::CompressionLevel;
use tower_http::compression::CompressionLayer;

use crate::config::{FootprintConfig, PrometheusConfig};
use crate::export::access::{Access, Door, Gate};
use crate::export::listen::Listener;
use crate::export::page::{self, Page};
use crate::notice::Notice;
use crate::snapshot::SnapshotHandle;
use crate::telemetry;

use super::books::Books;
use super::connection::{LimitedListener, Limits};
use super::footprint::Footprint;
use super::negotiation::Format;
use super::page::Shown;
use super::renderer::Renderer;

/// How long the pipeline may take to answer before the client is told that it does not; it answers within a window.
const PIPELINE_ANSWERS_WITHIN: Duration = Duration::from_secs(5);

/// How long answers that are under way may take after the agent was told to stop.
const LAST_ANSWERS_WITHIN: Duration = Duration::from_secs(2);

/// For how long a picture of the books is shown again where anybody may look: finer energy figures tell of the secrets that a
/// program computes with (Lipp et al., PLATYPUS, IEEE S&P 2021).
const SHOWN_FOR: Duration = Duration::from_secs(1);

/// How much of a page is handed to the connection at once; other tasks get their turn in between.
const PIECE: usize = 64 * 1024;

/// What is answered without a token, for those that look whether the agent is well.
const HEALTH: &str = "/healthz";

static NO_ANSWER: Notice = Notice::new("snapshot_unanswered");

pub(super) const LISTENER: Listener =
    Listener { purpose: "Prometheus", flag: "--metrics-listen", key: "prometheus.listen" };

/// A listener that nobody is served on yet.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    gate: Gate,
    processes: bool,
    powerapi: bool,
    footprint: Option<Footprint>,
    limits: Limits,
}

impl Server {
    /// Takes the configured address, for those whom `access` lets in. The error says what to do.
    pub async fn bind(config: &PrometheusConfig, access: &Access) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(config.listen)
            .await
            .map_err(|error| anyhow::anyhow!(LISTENER.refused(config.listen, &error)))?;
        let gate = Gate::new(access, Door::Http, listener.local_addr()?);
        Ok(Self {
            listener,
            gate,
            processes: config.processes,
            powerapi: config.powerapi,
            footprint: None,
            limits: Limits::default(),
        })
    }

    /// The same with carbon and cost, where there are factors for them.
    #[must_use]
    pub fn counting(self, config: &FootprintConfig) -> Self {
        Self { footprint: Footprint::new(config), ..self }
    }

    /// Where metrics are, as a client writes it.
    pub fn url(&self) -> io::Result<String> {
        Ok(format!("{}://{}/metrics", self.gate.scheme(), self.local_addr()?))
    }

    /// Where the page is.
    pub fn page_url(&self) -> io::Result<String> {
        Ok(format!("{}://{}/", self.gate.scheme(), self.local_addr()?))
    }

    /// Where it listens: the configured address, with the port that the kernel chose where that was 0.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves `/metrics`, `/healthz` and the page, where there is one, until `shutdown`. `recorder` holds the agent's own telemetry (see [`telemetry::install`]).
    pub async fn run(
        self,
        snapshots: SnapshotHandle,
        recorder: PrometheusHandle,
        page: Option<Page>,
        shutdown: CancellationToken,
    ) -> anyhow::Result<()> {
        let names = !self.gate.is_open();
        let renderer = Arc::new(Renderer::new(
            recorder.clone(),
            Shown { processes: self.processes && names, commands: names, exemplars: names, powerapi: self.powerapi },
            self.footprint,
        ));
        let books = Books::new(snapshots, self.gate.is_open().then_some(SHOWN_FOR));
        let listener = LimitedListener::new(self.listener, self.gate.clone(), self.limits);
        let stopping = shutdown.clone();
        let shown = page::Shown { processes: self.processes, names };
        let page = page.map_or_else(no_page, |page| page::routes(page, books.clone(), shown, recorder));
        let serving = axum::serve(listener, router(App { books, renderer }, page, self.gate))
            .with_graceful_shutdown(shutdown.cancelled_owned());
        tokio::select! {
            ended = serving => ended.context("the Prometheus listener ended"),
            () = async { stopping.cancelled().await; tokio::time::sleep(LAST_ANSWERS_WITHIN).await } => Ok(()),
        }
    }
}

#[derive(Clone, Debug)]
struct App {
    books: Books,
    renderer: Arc<Renderer>,
}

fn router(app: App, page: Router, gate: Gate) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route(HEALTH, get(health))
        .with_state(app)
        .merge(page)
        .layer(CompressionLayer::new().quality(CompressionLevel::Fastest))
        .layer(from_fn_with_state(gate, let_in))
        .layer(map_response(one_request_each))
}

/// Where there is none, who looks for it is told where figures are.
fn no_page() -> Router {
    Router::new().route("/", get(async || "The page is switched off (page.enabled); figures are at /metrics.\n"))
}

/// Answers those who may come in, and anybody who asks for health or for what holds no figures.
async fn let_in(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    let authorization = request.headers().get(header::AUTHORIZATION).map(HeaderValue::as_bytes);
    let path = request.uri().path();
    if path != HEALTH
        && !page::is_public(path)
        && let Err(refusal) = gate.check(authorization)
    {
        let asks = [(header::WWW_AUTHENTICATE, "Bearer")];
        return (StatusCode::UNAUTHORIZED, asks, format!("{refusal}\n")).into_response();
    }
    next.run(request).await
}

/// The limits on a connection are limits on a request because there is one request on each.
async fn one_request_each(mut response: Response) -> Response {
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

async fn health(State(app): State<App>) -> Response {
    match tokio::time::timeout(PIPELINE_ANSWERS_WITHIN, app.books.are_kept()).await {
        Ok(Ok(())) => "ok\n".into_response(),
        Ok(Err(stopped)) => unavailable(stopped.to_string()),
        Err(_) => unavailable(no_answer()),
    }
}

async fn metrics(State(app): State<App>, headers: HeaderMap) -> Response {
    let accept = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let format = Format::negotiate(accept);
    let snapshot = match tokio::time::timeout(PIPELINE_ANSWERS_WITHIN, app.books.whole()).await {
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
