//! OpenTelemetry traces through the agent: from who makes them to a collector.

use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, ensure};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prony_tests::{
    Agent, DockerEngine, KeptAlive, TestCgroup, free_tcp_address, needs_agent, needs_bpf, skip, wait_until,
};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::mpsc::error::TryRecvError;
use tonic::codec::CompressionEncoding;
use tonic::{Request, Response, Status};

use super::{
    SETTLED_WITHIN, Served, Server, TOO_BUSY, ask, assert_whole, id, ratio_of_kinds, settled, start, told, undisturbed,
    wait_until_named, watch,
};

/// How many requests the function is asked.
const ASKED: u64 = 60;

/// A collector that gives all spans to the test.
struct Collector(mpsc::Sender<Vec<Span>>);

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let scopes = request.into_inner().resource_spans.into_iter().flat_map(|it| it.scope_spans);
        // The test may have ended.
        let _ = self.0.send(scopes.flat_map(|it| it.spans).collect());
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

/// Collects for as long as the test runs.
fn collect(address: SocketAddr) -> Result<mpsc::Receiver<Vec<Span>>> {
    let (send, receive) = mpsc::channel();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    thread::spawn(move || {
        let service = TraceServiceServer::new(Collector(send));
        runtime.block_on(tonic::transport::Server::builder().add_service(service).serve(address))
    });
    Ok(receive)
}

fn unix_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_nanos() as u64
}

fn span(number: u64, kind: SpanKind, start: u64) -> Span {
    Span {
        trace_id: [[7; 8], number.to_be_bytes()].concat(),
        span_id: (number << 8 | kind as u64).to_be_bytes().to_vec(),
        name: "handle".into(),
        kind: kind as i32,
        start_time_unix_nano: start,
        end_time_unix_nano: unix_now(),
        ..Span::default()
    }
}

fn text(key: &str, text: &str) -> KeyValue {
    let value = AnyValue { value: Some(Value::StringValue(text.into())) };
    KeyValue { key: key.into(), value: Some(value), ..KeyValue::default() }
}

/// Sends spans of a function as an SDK does.
fn export(agent: &Agent, function: &str, spans: Vec<Span>) -> Result<ExportTraceServiceResponse> {
    let resource = Some(Resource { attributes: vec![text("faas.name", function)], ..Resource::default() });
    let scope_spans = vec![ScopeSpans { spans, ..ScopeSpans::default() }];
    let resource_spans = vec![ResourceSpans { resource, scope_spans, ..ResourceSpans::default() }];
    let address = format!("http://{}", agent.grpc_address());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let client = TraceServiceClient::connect(address).await?;
        let mut client = client.send_compressed(CompressionEncoding::Gzip);
        Ok(client.export(ExportTraceServiceRequest { resource_spans }).await?.into_inner())
    })
}

/// Microjoules in all zones, by the span's attributes.
fn microjoules(span: &Span) -> Option<u64> {
    let joules: Vec<f64> = span
        .attributes
        .iter()
        .filter(|it| it.key.starts_with("prony.energy.") && it.key.ends_with(".joules"))
        .filter_map(|it| match it.value.as_ref()?.value.as_ref()? {
            Value::DoubleValue(joules) => Some(*joules),
            _ => None,
        })
        .collect();
    (!joules.is_empty()).then(|| joules.iter().map(|it| (it * 1e6).round() as u64).sum())
}

#[test]
fn spans_reach_the_collector_with_their_energy() -> Result<()> {
    if let Some(reason) = needs_bpf().or_else(needs_agent) {
        skip("spans_reach_the_collector_with_their_energy", &reason);
        return Ok(());
    }
    let engine = DockerEngine::start()?;
    engine.add(&id(4), "tracing");
    let container = TestCgroup::container(&id(4))?;
    let server = Server::start(&container)?;
    let address = free_tcp_address()?;
    let agent = start(&engine, &format!("[invocation]\nresolution = '5ms'\n[otlp]\nendpoint = 'http://{address}'\n"))?;
    wait_until_named(&agent, &server, "tracing")?;
    let (mut connection, mut spans) = (KeptAlive::connect(server.address)?, Vec::new());
    for number in 1..=ASKED {
        let start = unix_now();
        connection.ask("/long")?;
        spans.extend([span(number, SpanKind::Server, start), span(number, SpanKind::Client, start)]);
        thread::sleep(Duration::from_millis(10));
    }
    // Those of one request come twice, as when an answer gets lost.
    for _ in 0..2 {
        ensure!(export(&agent, "tracing", spans.clone())?.partial_success.is_none(), "something is refused");
    }
    let impossible = Span { start_time_unix_nano: unix_now() + 1_000_000_000, ..span(ASKED + 1, SpanKind::Server, 0) };
    let refused = export(&agent, "tracing", vec![impossible])?.partial_success.context("it is taken")?;
    ensure!(refused.rejected_spans == 1 && refused.error_message.contains("ends before"), "{refused:?}");
    drop(server);

    let samples = settled(&agent, "tracing")?;
    // The collector comes up only now.
    let collected = collect(address)?;
    let mut seen: Vec<Span> = Vec::new();
    let all = wait_until(SETTLED_WITHIN, || {
        seen.extend(collected.try_iter().flatten());
        (seen.iter().filter(|span| microjoules(span).is_some()).count() as u64 >= ASKED).then_some(())
    });
    all.with_context(|| format!("{} spans have come", seen.len()))?;
    let of_kind = |kind: SpanKind| seen.iter().filter(move |span| span.kind == kind as i32);
    ensure!(of_kind(SpanKind::Server).count() as u64 == ASKED + 1, "each once, and the refused one");
    ensure!(of_kind(SpanKind::Client).all(|span| spans.contains(span)), "what is no invocation is unchanged");
    let counted = samples.sum("prony_function_invocations_total", &[("function", "tracing"), ("by", "report")]);
    let told: u64 = seen.iter().filter_map(microjoules).sum();
    let phase = [("function", "tracing"), ("phase", "invocation")];
    let phase = samples.millionths("prony_function_phase_joules_total", &phase)?;
    println!("{counted} spans with {told} uJ; the phase has {phase} uJ");
    ensure!(counted as u64 == ASKED, "{counted} of {ASKED} spans were counted");
    ensure!(told == phase, "the spans have {told} uJ, the phase {phase} uJ");
    let dropped = agent.samples()?.sum("prony_spans_dropped_total", &[]);
    ensure!(dropped == 0.0, "{dropped} spans were dropped");
    assert_whole(&samples)
}

/// How far a sender's clock is behind.
const BEHIND: Duration = Duration::from_millis(400);

/// Sends what was served in batches, as an SDK does, by a clock that is [`BEHIND`]; until nothing more comes.
fn export_all(agent: &Agent, mut ended: UnboundedReceiver<Served>) -> Result<()> {
    let by_its_clock = |at: Duration| at.saturating_sub(BEHIND).as_nanos() as u64;
    let as_span = |served: Served| Span {
        trace_id: u128::from(by_its_clock(served.start)).to_be_bytes().to_vec(),
        span_id: by_its_clock(served.end).to_be_bytes().to_vec(),
        kind: SpanKind::Server as i32,
        start_time_unix_nano: by_its_clock(served.start),
        end_time_unix_nano: by_its_clock(served.end),
        attributes: vec![text("faas.invocation_id", &served.id)],
        ..Span::default()
    };
    loop {
        thread::sleep(Duration::from_millis(500));
        let mut batch = Vec::new();
        let is_over = loop {
            match ended.try_recv() {
                Ok(served) => batch.push(as_span(served)),
                Err(error) => break error == TryRecvError::Disconnected,
            }
        };
        let refused = export(agent, "behind", batch)?.partial_success;
        ensure!(refused.is_none(), "{refused:?}");
        if is_over {
            return Ok(());
        }
    }
}

#[test]
fn a_clock_that_is_behind_is_told_by_what_ran() -> Result<()> {
    if let Some(reason) = needs_bpf().or_else(needs_agent) {
        skip("a_clock_that_is_behind_is_told_by_what_ran", &reason);
        return Ok(());
    }
    let engine = DockerEngine::start()?;
    engine.add(&id(5), "behind");
    let container = TestCgroup::container(&id(5))?;
    let server = Server::start(&container)?;
    let agent = start(&engine, "[invocation]\nresolution = '5ms'\n")?;
    wait_until_named(&agent, &server, "behind")?;
    let ask_and_export = |seconds| {
        let (tell, ended) = tokio::sync::mpsc::unbounded_channel();
        thread::scope(|scope| -> Result<usize> {
            let asking = scope.spawn(move || ask(server.address, seconds, &tell));
            export_all(&agent, ended)?;
            asking.join().expect("a client has failed")
        })
    };
    ask_and_export(5)?;
    let offset = agent.samples()?.sum("prony_reporter_clock_offset_seconds", &[]);
    println!("the clock is said to be {:.1} ms behind", offset * 1e3);
    ensure!((offset - BEHIND.as_secs_f64()).abs() <= 0.002, "the clock is said to be {offset} s behind");
    // What was sent before the clock was known is settled.
    settled(&agent, "behind")?;
    let seen = undisturbed(|| {
        let mut invocations = watch(&agent)?;
        let asked = ask_and_export(8)?;
        let seen = told(&mut invocations, asked);
        ensure!(seen.len() == asked, "{} of {asked} were told", seen.len());
        Ok((seen, ()))
    })?;
    let Some((seen, ())) = seen else {
        skip("a_clock_that_is_behind_is_told_by_what_ran", TOO_BUSY);
        return Ok(());
    };
    let ratio = ratio_of_kinds(&seen);
    // A tenth of a millisecond that the clock is said wrong is more than two percent of it: they follow each other closely.
    ensure!((ratio / 5.0 - 1.0).abs() <= 0.1, "long requests used {ratio} times as much as short ones");
    Ok(())
}
