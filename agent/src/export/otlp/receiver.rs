//! `opentelemetry.proto.collector.trace.v1.TraceService`: spans as reports of invocations.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use tonic::codec::CompressionEncoding;
use tonic::{Request, Response, Status};

use crate::clock::WallAnchor;
use crate::export::reporter_clock::unix_now;
use crate::invocation::{By, InvocationHandle, Observed, Refusal, Taken};
use crate::notice::Notice;

use super::clocks::Clocks;
use super::forwarder::Forwarder;
use super::held::{Awaited, Number};
use super::recent::Recent;
use super::spans::{Found, Position, SpanId, invocations, remove};

/// The largest request: 10,000 spans of 1.6 KB each.
const LARGEST: usize = 16 * 1024 * 1024;

static REFUSED: Notice = Notice::new("spans_refused");

/// The receiver, to be cloned at will.
#[derive(Clone, Debug)]
pub struct TraceReceiver {
    invocations: InvocationHandle,
    forwarder: Option<Forwarder>,
    known: Arc<Mutex<Known>>,
}

/// What is remembered from one request to the next.
#[derive(Debug, Default)]
struct Known {
    recent: Recent,
    clocks: Clocks,
}

/// What is to become of the invocations in a request.
#[derive(Debug, Default)]
struct Sorted {
    reported: Vec<Reported>,
    /// Those that were taken before: their exporter has not heard the answer, and sends them again.
    repeated: Vec<Position>,
    refusals: Vec<Refusal>,
}

/// A span on its way to the books.
#[derive(Debug)]
struct Reported {
    span: SpanId,
    position: Position,
    observed: Observed,
}

impl TraceReceiver {
    /// Reports to `invocations`, and hands all spans to `forwarder`, if there is one.
    pub fn new(invocations: InvocationHandle, forwarder: Option<Forwarder>) -> Self {
        Self { invocations, forwarder, known: Arc::default() }
    }

    /// The service.
    pub fn service(self) -> TraceServiceServer<Self> {
        TraceServiceServer::new(self)
            .max_decoding_message_size(LARGEST)
            .accept_compressed(CompressionEncoding::Gzip)
            .send_compressed(CompressionEncoding::Gzip)
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sorts the invocations that were found; the times of those that are new are the node's then.
    fn sort(&self, found: Vec<Found>, request: &ExportTraceServiceRequest, sender: Option<IpAddr>) -> Sorted {
        let (now, anchor) = (unix_now(), WallAnchor::take());
        let mut known = self.known();
        let mut reporters = vec![None; request.resource_spans.len()];
        let mut sorted = Sorted::default();
        for Found { position, told } in found {
            let told = match told {
                Ok(told) => told,
                Err(refusal) => {
                    refusal.count();
                    sorted.refusals.push(refusal);
                    continue;
                }
            };
            if told.parent.is_some_and(|parent| known.recent.has(parent, &told.place)) {
                continue;
            }
            if !known.recent.remember(told.span, &told.place) {
                sorted.repeated.push(position);
                continue;
            }
            let resource = position.resource;
            let reporter = *reporters[resource]
                .get_or_insert_with(|| known.clocks.reporter(sender, &request.resource_spans[resource], now));
            let at = |unix: i64| anchor.monotonic(unix.saturating_add(reporter.added));
            let observed = Observed {
                id: told.id,
                place: told.place,
                by: By::Report,
                start: at(told.start),
                end: at(told.end),
                on_cpu: told.on_cpu,
                reporter: Some(reporter),
            };
            sorted.reported.push(Reported { span: told.span, position, observed });
        }
        sorted
    }

    /// Hands the request on, to wait for the energy of what is reported.
    fn hold(&self, request: &ExportTraceServiceRequest, reported: &[Reported]) -> Option<Number> {
        let forwarder = self.forwarder.as_ref()?;
        let awaited = reported.iter().map(|it| (Awaited::of_observed(&it.observed), it.position));
        Some(forwarder.hold(request, awaited.collect()))
    }

    fn give_up_on(&self, number: Option<Number>, refused: &[Awaited]) {
        if let (Some(forwarder), Some(number)) = (&self.forwarder, number) {
            forwarder.give_up_on(number, refused);
        }
    }
}

#[tonic::async_trait]
impl TraceService for TraceReceiver {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let sender = request.remote_addr().map(|address| address.ip());
        let mut request = request.into_inner();
        let Sorted { mut reported, repeated, mut refusals } = self.sort(invocations(&request), &request, sender);
        remove(&mut request, &repeated, reported.iter_mut().map(|it| &mut it.position));
        let number = self.hold(&request, &reported);
        let observed: Vec<Observed> = reported.iter().map(|it| it.observed.clone()).collect();
        // What is not reported need not be asked for: the books are left alone.
        let answers = if observed.is_empty() { Ok(Vec::new()) } else { self.invocations.report(observed).await };
        let Ok(answers) = answers else {
            let mut known = self.known();
            for it in &reported {
                known.recent.forget(it.span);
            }
            return Err(Status::unavailable("the agent is stopping: send it again"));
        };
        let mut refused = Vec::new();
        for (it, answer) in reported.iter().zip(answers) {
            match (answer, it.observed.reporter) {
                (Ok(Taken { offset: Some(offset) }), Some(reporter)) => {
                    self.known().clocks.is_off(reporter.id, offset);
                }
                (Ok(_), _) => {}
                (Err(refusal), _) => {
                    self.known().recent.forget(it.span);
                    refused.push(Awaited::of_observed(&it.observed));
                    refusals.push(refusal);
                }
            }
        }
        self.give_up_on(number, &refused);
        Ok(Response::new(ExportTraceServiceResponse { partial_success: partial_success(&refusals) }))
    }
}

/// How many were refused, and every reason once.
fn partial_success(refusals: &[Refusal]) -> Option<ExportTracePartialSuccess> {
    if refusals.is_empty() {
        return None;
    }
    let reasons: BTreeSet<String> = refusals.iter().map(ToString::to_string).collect();
    let error_message = reasons.into_iter().collect::<Vec<_>>().join("; ");
    REFUSED.warn(format_args!("{} spans of invocations are not taken: {error_message}", refusals.len()));
    Some(ExportTracePartialSuccess { rejected_spans: refusals.len().cast_signed() as i64, error_message })
}
