//! What is answered under `/`, `/page/` and `/live/`.

use std::convert::Infallible;
use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderName, StatusCode, header};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::get;
use axum::{Router, middleware};
use metrics_exporter_prometheus::PrometheusHandle;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_stream::Stream;

use crate::export::prometheus::Books;
use crate::snapshot::Snapshot;

use super::assets::{self, Asset};
use super::columns::Columns;
use super::consumers::{self, Wish};
use super::follow::Page;
use super::frame::Frame;
use super::frames::SentFrame;
use super::functions::FunctionTable;
use super::history::Span;
use super::level::Level;

/// How many streams there may be at once: each takes the place of a connection.
const STREAMS: usize = 8;

/// A stream ends before an answer has to, and the page asks for the next one.
const STREAM_FOR: Duration = Duration::from_secs(25);

/// How long the books may take to answer.
const ANSWERED_WITHIN: Duration = Duration::from_secs(5);

/// How many invocations are sent at most.
const MOST_INVOCATIONS: usize = 200;

/// What the page may load and from where: from this agent only, and no script or style that is not a file of its own.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const WITHHELD: &str = "processes, commands and single invocations are withheld, because this listener can be reached from \
                        other machines and asks nobody who they are: set access.client_ca_file or access.token_file";
const NOT_EXPORTED: &str = "processes are not exported: prometheus.processes is false";

/// What not everybody may see, and whether it is shown.
#[derive(Clone, Copy, Debug)]
pub(in crate::export) struct Shown {
    /// Whether processes are exported at all.
    pub(in crate::export) processes: bool,
    /// Whether names and single invocations are.
    pub(in crate::export) names: bool,
}

impl Shown {
    fn processes_withheld(self) -> Option<&'static str> {
        match self {
            Self { names: false, .. } => Some(WITHHELD),
            Self { processes: false, .. } => Some(NOT_EXPORTED),
            _ => None,
        }
    }
}

#[derive(Clone, Debug)]
struct Live {
    page: Page,
    books: Books,
    shown: Shown,
    telemetry: PrometheusHandle,
    streams: Arc<Semaphore>,
}

/// Whether a path holds no figures, so that it is answered without a token: a browser asks for a token only by what is there.
pub(in crate::export) fn is_public(path: &str) -> bool {
    path == "/" || path.starts_with("/page/")
}

/// The page, and what it asks for.
/// `telemetry` holds the agent's own.
pub(in crate::export) fn routes(page: Page, books: Books, shown: Shown, telemetry: PrometheusHandle) -> Router {
    let live = Live { page, books, shown, telemetry, streams: Arc::new(Semaphore::new(STREAMS)) };
    Router::new()
        .route("/", get(async || asset_named("index.html")))
        .route("/page/{name}", get(|Path(name): Path<String>| async move { asset_named(&name) }))
        .route("/live/about", get(about))
        .route("/live/history", get(history))
        .route("/live/stream", get(stream))
        .route("/live/frames", get(frames))
        .route("/live/lines", get(lines))
        .route("/live/functions", get(functions))
        .route("/live/invocations", get(invocations))
        .layer(middleware::map_response(guard))
        .with_state(live)
}

async fn guard(mut response: Response) -> Response {
    const GUARDS: [(HeaderName, &str); 4] = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    for (name, value) in GUARDS {
        response.headers_mut().insert(name, axum::http::HeaderValue::from_static(value));
    }
    response
}

fn asset_named(name: &str) -> Response {
    match assets::find(name) {
        Some(Asset { kind, text }) => ([(header::CONTENT_TYPE, kind)], text).into_response(),
        None => refuse(StatusCode::NOT_FOUND, format_args!("the page has no file '{name}'")),
    }
}

fn refuse(status: StatusCode, why: impl Display) -> Response {
    (status, format!("{why}\n")).into_response()
}

/// The query, or what is wrong with it.
fn asked<T>(query: Result<Query<T>, QueryRejection>) -> Result<T, Box<Response>> {
    query.map(|Query(asked)| asked).map_err(|wrong| Box::new(refuse(StatusCode::BAD_REQUEST, wrong.body_text())))
}

impl Live {
    fn admit(&self, level: Level) -> Result<(), Box<Response>> {
        match self.shown.processes_withheld() {
            Some(why) if level == Level::Process => Err(Box::new(refuse(StatusCode::FORBIDDEN, why))),
            _ => Ok(()),
        }
    }

    async fn whole(&self) -> Result<Arc<Snapshot>, Box<Response>> {
        let unavailable = |why: &dyn Display| Box::new(refuse(StatusCode::SERVICE_UNAVAILABLE, why));
        match timeout(ANSWERED_WITHIN, self.books.whole()).await {
            Ok(Ok(whole)) => Ok(whole),
            Ok(Err(stopped)) => Err(unavailable(&stopped)),
            Err(_) => Err(unavailable(&"the books were not answered for in time: the machine is overloaded")),
        }
    }
}

async fn about(State(live): State<Live>) -> Response {
    let (machine, cost) = (live.page.machine().clone(), live.page.cost().now(&live.telemetry.render()));
    Json(machine.about(live.page.epoch(), cost, live.shown.processes_withheld())).into_response()
}

#[derive(Clone, Debug, Deserialize)]
struct HistoryWish {
    span: Span,
    level: Level,
}

async fn history(State(live): State<Live>, query: Result<Query<HistoryWish>, QueryRejection>) -> Response {
    answer(async {
        let wish = asked(query)?;
        live.admit(wish.level)?;
        let (frames, sequence) = {
            let history = live.page.history();
            (history.frames(wish.span), history.sequence())
        };
        let epoch = live.page.epoch().to_owned();
        let columns = move || serde_json::to_vec(&Columns::new(&epoch, sequence, wish.span, wish.level, &frames()));
        Ok(written_apart(columns).await)
    })
    .await
}

#[derive(Clone, Copy, Debug, Deserialize)]
struct FramesWish {
    level: Level,
    after: u64,
}

#[derive(Debug, Serialize)]
struct SentFrames<'a> {
    reset: bool,
    frames: Vec<SentFrame<'a>>,
}

async fn frames(State(live): State<Live>, query: Result<Query<FramesWish>, QueryRejection>) -> Response {
    answer(async {
        let wish = asked(query)?;
        live.admit(wish.level)?;
        let missed = live.page.history().after(wish.after);
        let sent = missed.iter().flatten().map(|frame| SentFrame::new(live.page.epoch(), frame, wish.level));
        Ok(Json(SentFrames { reset: missed.is_none(), frames: sent.collect() }).into_response())
    })
    .await
}

async fn stream(State(live): State<Live>, query: Result<Query<FramesWish>, QueryRejection>) -> Response {
    answer(async {
        let wish = asked(query)?;
        live.admit(wish.level)?;
        let Ok(place) = Arc::clone(&live.streams).try_acquire_owned() else {
            let full =
                format!("this agent serves at most {STREAMS} streams at once: ask for /live/frames now and then");
            return Err(Box::new(refuse(StatusCode::SERVICE_UNAVAILABLE, full)));
        };
        Ok(Sse::new(events(live.page, wish, place)).into_response())
    })
    .await
}

/// Frames as they come, until the stream's time is over or the page has to begin anew.
fn events(
    page: Page,
    wish: FramesWish,
    place: tokio::sync::OwnedSemaphorePermit,
) -> impl Stream<Item = Result<Event, Infallible>> {
    async_stream::stream! {
        let _place = place;
        let (mut latest, end, mut told) = (page.latest(), Instant::now() + STREAM_FOR, wish.after);
        loop {
            let missed = page.history().after(told);
            let Some(frames) = missed else {
                yield Ok(Event::default().event("reset").data("{}"));
                break;
            };
            for frame in &frames {
                told = frame.sequence;
                yield Ok(event(page.epoch(), frame, wish.level));
            }
            match timeout_at(end, latest.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) | Err(_) => break,
            }
        }
    }
}

fn event(epoch: &str, frame: &Frame, level: Level) -> Event {
    let event = Event::default().event("frame").id(frame.sequence.to_string());
    // Numbers and text only: they can always be written.
    event.json_data(SentFrame::new(epoch, frame, level)).unwrap_or_default()
}

async fn lines(State(live): State<Live>, query: Result<Query<Wish>, QueryRejection>) -> Response {
    answer(async {
        let wish = asked(query)?;
        live.admit(wish.level)?;
        let whole = live.whole().await?;
        Ok(written_apart(move || serde_json::to_vec(&consumers::table(&whole, &wish))).await)
    })
    .await
}

async fn functions(State(live): State<Live>) -> Response {
    answer(async {
        let whole = live.whole().await?;
        Ok(Json(FunctionTable::new(&whole)).into_response())
    })
    .await
}

#[derive(Clone, Debug, Deserialize)]
struct InvocationsWish {
    #[serde(default = "most_invocations")]
    limit: usize,
}

fn most_invocations() -> usize {
    MOST_INVOCATIONS
}

#[derive(Debug, Serialize)]
struct SentInvocations<T> {
    withheld: Option<&'static str>,
    invocations: Vec<T>,
}

async fn invocations(State(live): State<Live>, query: Result<Query<InvocationsWish>, QueryRejection>) -> Response {
    answer(async {
        let limit = asked(query)?.limit.min(MOST_INVOCATIONS);
        let withheld = (!live.shown.names).then_some(WITHHELD);
        let latest = live.page.invocations();
        let invocations = if withheld.is_none() { latest.latest(limit) } else { Vec::new() };
        Ok(Json(SentInvocations { withheld, invocations }).into_response())
    })
    .await
}

/// An hour of a busy machine is a megabyte, and ten thousand lines take a while to sort: not for an async thread.
async fn written_apart(json: impl FnOnce() -> serde_json::Result<Vec<u8>> + Send + 'static) -> Response {
    match tokio::task::spawn_blocking(json).await {
        Ok(Ok(json)) => ([(header::CONTENT_TYPE, "application/json")], json).into_response(),
        Ok(Err(error)) => refuse(StatusCode::INTERNAL_SERVER_ERROR, error),
        Err(error) => refuse(StatusCode::INTERNAL_SERVER_ERROR, error),
    }
}

async fn answer(answer: impl Future<Output = Result<Response, Box<Response>>>) -> Response {
    answer.await.unwrap_or_else(|refusal| *refusal)
}
