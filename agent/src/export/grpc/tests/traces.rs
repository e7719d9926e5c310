//! Traces over loopback, with a client as SDKs have it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTracePartialSuccess, ExportTraceServiceRequest};
use opentelemetry_proto::tonic::trace::v1::Span;
use tonic::codec::CompressionEncoding;
use tonic::transport::Channel;

use super::invocations::{Agent, agent};
use crate::clock::Timestamp;
use crate::export::otlp::fixtures::{request, span};

async fn client(agent: &Agent) -> TraceServiceClient<Channel> {
    TraceServiceClient::connect(format!("http://{}", agent.running.address)).await.expect("it listens")
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_nanos() as u64
}

async fn export(agent: &Agent, request: ExportTraceServiceRequest) -> Option<ExportTracePartialSuccess> {
    client(agent).await.export(request).await.expect("an answer").into_inner().partial_success
}

fn observed(agent: &Agent) -> Vec<String> {
    agent.observed.lock().unwrap().iter().map(|it| it.id.to_string()).collect()
}

const HELLO: &[(&str, &str)] = &[("faas.name", "hello")];

#[tokio::test]
async fn compressed_spans_reach_the_books_and_what_is_refused_is_counted_with_the_reasons() {
    let agent = agent();
    let mut client = client(&agent).await;
    client = client.send_compressed(CompressionEncoding::Gzip).accept_compressed(CompressionEncoding::Gzip);
    let open_ended = Span { end_time_unix_nano: 0, ..span(3, 0, now(), &[]) };
    let spans = vec![
        span(1, 0, now(), &[("faas.invocation_id", "one")]),
        span(2, 0, now(), &[("faas.invocation_id", "late")]),
        open_ended,
    ];
    let response = client.export(request(HELLO, spans)).await.expect("an answer").into_inner();
    let partial = response.partial_success.expect("some are refused");
    assert_eq!(partial.rejected_spans, 2);
    for reason in ["invocation.lateness", "no end"] {
        assert!(partial.error_message.contains(reason), "{}", partial.error_message);
    }
    assert_eq!(observed(&agent), ["one", "late"]);
}

#[tokio::test]
async fn what_is_sent_again_is_taken_once_and_what_was_refused_may_come_again() {
    let agent = agent();
    let spans = || request(HELLO, vec![span(1, 0, now(), &[("faas.invocation_id", "one")])]);
    assert_eq!((export(&agent, spans()).await, export(&agent, spans()).await), (None, None));
    assert_eq!(observed(&agent), ["one"]);
    let inner = request(HELLO, vec![span(2, 1, now(), &[("faas.invocation_id", "two")])]);
    assert_eq!(export(&agent, inner).await, None);
    assert_eq!(observed(&agent), ["one"], "the span around it came before");
    let late = || request(HELLO, vec![span(3, 0, now(), &[("faas.invocation_id", "late")])]);
    export(&agent, late()).await.expect("refused");
    export(&agent, late()).await.expect("refused again");
    assert_eq!(observed(&agent), ["one", "late", "late"]);
}

#[tokio::test]
async fn large_requests_are_taken() {
    let agent = agent();
    let long = "x".repeat(64 * 1024);
    let mut spans: Vec<Span> = (1..=9_999).map(|number| span(number, 0, now(), &[])).collect();
    spans.push(span(10_000, 0, now(), &[("http.request.body", &long)]));
    assert_eq!(export(&agent, request(HELLO, spans)).await, None);
    assert_eq!(observed(&agent).len(), 10_000);
}

#[tokio::test]
async fn the_clock_of_a_sender_that_is_ahead_is_put_right() {
    let agent = agent();
    let ahead = Duration::from_millis(700).as_nanos() as u64;
    let day = Duration::from_hours(24).as_nanos() as u64;
    let end = now() + ahead;
    let spans = vec![span(1, 0, end, &[]), span(2, 0, end - 1_000_000, &[]), span(3, 0, end + day, &[])];
    export(&agent, request(HELLO, spans)).await;
    let now = Timestamp::now();
    let observed = agent.observed.lock().unwrap();
    assert!(observed[0].end <= now && observed[0].end > observed[1].end, "they ended before they came");
    assert!(observed[2].end > now, "a span of tomorrow tells nothing of the clock");
}
