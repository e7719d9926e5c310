//! From spans that were received to a collector that gets them with their energy. The books never wait for it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use tokio::sync::Notify;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

use crate::clock::WallAnchor;
use crate::config::OtlpConfig;
use crate::invocation::{By, Finished, InvocationHandle};
use crate::notice::Notice;
use crate::telemetry;

use super::collector::{Collector, Outcome};
use super::held::{Awaited, Number, Ready, Waiting};
use super::seen::spans_of;
use super::spans::Position;

/// How much longer than reports may come late a span waits for its energy: for the window in which it ends, and for
/// whoever is slow.
const GRACE: Duration = Duration::from_secs(5);
/// How often it is looked for spans that have waited for long enough.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// The pause after a first failure, and the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How long what is left is tried to be sent when the agent stops.
const LAST_WORDS: Duration = Duration::from_secs(1);

static QUEUE_FULL: Notice = Notice::new("spans_dropped");
static AWAY: Notice = Notice::new("collector_unavailable");
static REFUSED: Notice = Notice::new("collector_refuses_spans");

/// A way to the collector, to be cloned at will.
#[derive(Clone, Debug)]
pub struct Forwarder(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    waiting: Mutex<Waiting>,
    is_ready: Notify,
    patience: Duration,
    spans_for_seen: bool,
}

impl Forwarder {
    /// Sends to the collector of `config`, if there is one, until `shutdown`. `lateness` is how late invocations may be
    /// reported. To be called within a Tokio runtime.
    ///
    /// # Errors
    /// Where the endpoint, the headers or the certificates cannot be used; the text names the key.
    pub fn start(
        config: &OtlpConfig,
        lateness: Duration,
        invocations: &InvocationHandle,
        shutdown: &CancellationToken,
    ) -> anyhow::Result<Option<Self>> {
        let Some(collector) = Collector::new(config)? else { return Ok(None) };
        let forwarder = Self(Arc::new(Shared {
            waiting: Mutex::new(Waiting::new(config.queue_mebibytes << 20)),
            is_ready: Notify::new(),
            patience: lateness + GRACE,
            spans_for_seen: config.spans_for_seen,
        }));
        tokio::spawn(forwarder.clone().follow(invocations.subscribe(), shutdown.clone()));
        tokio::spawn(forwarder.clone().send(collector, shutdown.clone()));
        Ok(Some(forwarder))
    }

    /// Takes in a request whose spans at these positions wait for their energy.
    pub(super) fn hold(&self, request: &ExportTraceServiceRequest, awaited: Vec<(Awaited, Position)>) -> Number {
        let (number, dropped) = self.waiting().hold(request, awaited, Instant::now() + self.0.patience);
        self.changed(dropped);
        number
    }

    /// Of these there will be no energy.
    pub(super) fn give_up_on(&self, number: Number, refused: &[Awaited]) {
        self.waiting().give_up_on(number, refused);
        self.changed(0);
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn changed(&self, dropped: usize) {
        metrics::gauge!(telemetry::SPANS_WAITING_BYTES.name).set(self.waiting().bytes() as f64);
        if dropped > 0 {
            count_dropped("queue_full", dropped);
            QUEUE_FULL.warn(format_args!(
                "{dropped} spans are dropped because too much waits for the collector: is it up and fast enough? Else \
                 raise otlp.queue_mebibytes"
            ));
        }
        self.0.is_ready.notify_one();
    }

    /// Follows what is finished.
    async fn follow(self, mut finished: Receiver<Arc<[Finished]>>, shutdown: CancellationToken) {
        let anchor = WallAnchor::take();
        let mut look = tokio::time::interval(LOOK_EVERY);
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                received = finished.recv() => match received {
                    Ok(some) => self.take_in(&some, anchor),
                    // Their spans go on without energy, when they have waited for long enough.
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return,
                },
                _ = look.tick() => {
                    self.waiting().release(Instant::now());
                    self.changed(0);
                }
            }
        }
    }

    fn take_in(&self, some: &[Finished], anchor: WallAnchor) {
        let mut waiting = self.waiting();
        let unknown: Vec<&Finished> = some.iter().filter(|it| !waiting.finished(it) && it.by != By::Report).collect();
        let dropped = if self.0.spans_for_seen && !unknown.is_empty() {
            waiting.add(Ready::new(&spans_of(&unknown, anchor)))
        } else {
            0
        };
        drop(waiting);
        self.changed(dropped);
    }

    /// Sends one after the other, until `shutdown`; then what is left.
    async fn send(self, collector: Collector, shutdown: CancellationToken) {
        let forever = async {
            let mut pause = FIRST_PAUSE;
            loop {
                let next = self.waiting().next();
                let Some(ready) = next else {
                    self.0.is_ready.notified().await;
                    continue;
                };
                if self.try_to_send(&collector, ready).await {
                    pause = FIRST_PAUSE;
                } else {
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        };
        shutdown.run_until_cancelled(forever).await;
        self.waiting().release_all();
        let rest = async {
            loop {
                let next = self.waiting().next();
                let Some(ready) = next else { return };
                if !self.try_to_send(&collector, ready).await {
                    return;
                }
            }
        };
        // What is not sent by then is lost with the agent.
        let _ = tokio::time::timeout(LAST_WORDS, rest).await;
    }

    /// Whether it has gone, or never will; else it is put back.
    async fn try_to_send(&self, collector: &Collector, ready: Ready) -> bool {
        let spans = ready.spans();
        match collector.send(ready.request()).await {
            Outcome::Taken { refused, why } => {
                let refused = refused.min(spans);
                metrics::counter!(telemetry::SPANS_SENT.name).increment((spans - refused) as u64);
                if refused > 0 {
                    count_dropped("refused", refused);
                    REFUSED.warn(format_args!("the collector does not take {refused} spans: {why}"));
                }
                true
            }
            Outcome::Refused(why) => {
                count_dropped("refused", spans);
                REFUSED.warn(format_args!(
                    "the collector does not take {spans} spans: {why}. Are otlp.endpoint and otlp.headers_file right?"
                ));
                true
            }
            Outcome::Away(why) => {
                let dropped = self.waiting().put_back(ready);
                self.changed(dropped);
                AWAY.warn(format_args!(
                    "the collector does not answer, spans wait: {why}. Is it up, and is otlp.endpoint right?"
                ));
                false
            }
        }
    }
}

fn count_dropped(reason: &'static str, spans: usize) {
    metrics::counter!(telemetry::SPANS_DROPPED.name, "reason" => reason).increment(spans as u64);
}
