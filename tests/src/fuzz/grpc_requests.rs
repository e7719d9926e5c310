//! Requests of gRPC's clients, as they come behind HTTP/2's framing.

use http_body_util::{BodyExt as _, Full};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prony::config::{AccessConfig, GrpcConfig};
use prony::export::access::Access;
use prony::export::grpc::GrpcServices;
use prony::invocation::{InvocationHandle, Refusal, Taken};
use prony::snapshot::Epoch;
use prony_proto::energy::v1 as energy;
use prony_proto::invocation::v1 as invocation;
use prost::Message;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tonic::codegen::{Bytes as Shared, Service as _, http};

use super::bytes::Bytes;
use super::pictures::Pictures;

/// Every method that there is, but for the one that tells of health until the client goes away, and one that there is not.
const METHODS: [&str; 8] = [
    "/prony.energy.v1.Energy/Watch",
    "/prony.energy.v1.Energy/Snapshot",
    "/prony.invocation.v1.Invocations/Report",
    "/prony.invocation.v1.Invocations/Watch",
    "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
    "/grpc.health.v1.Health/Check",
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/prony.energy.v1.Energy/Nothing",
];
/// The request's body is what follows, and not messages, each behind its length.
const RAW: u8 = 1 << 3;
/// The messages are compressed by gzip, or say so.
const GZIP: u8 = 1 << 4;
/// Anybody on other machines may come in.
const OPEN: u8 = 1 << 5;

/// The largest answer to one message, in bytes, beside what it repeats of the message.
const LARGEST_ANSWER: usize = 64 << 10;
/// How many refusals an answer may name.
const MOST_REFUSALS: usize = 100;

/// A byte that says which method and how, and messages.
pub(super) fn grpc_requests(data: &[u8]) {
    let Some((&how, rest)) = data.split_first() else { return };
    let method = METHODS[usize::from(how) % METHODS.len()];
    let messages = if how & RAW == 0 { framed(rest, how & GZIP != 0) } else { rest.to_vec() };
    let mut request = http::Request::builder()
        .method("POST")
        .uri(method)
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    if how & GZIP != 0 {
        request = request.header("grpc-encoding", "gzip").header("grpc-accept-encoding", "gzip");
    }
    let request = request.body(Body::new(Full::new(Shared::from(messages)))).expect("a good request");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let answer = runtime.block_on(answer(request, how & OPEN != 0));
    let most = LARGEST_ANSWER * (rest.len() / 2 + 1) + 4 * rest.len();
    assert!(answer.body.len() <= most.min(4 << 20), "{} bytes of answer to {method}", answer.body.len());
    match answer.status.as_str() {
        "0" => check(method, &answer.body),
        refused => assert!(
            refused.parse::<u8>().is_ok_and(|code| code <= 16) && (!answer.says.is_empty() || method == METHODS[7]),
            "{method} is refused with {refused:?} and {:?}",
            answer.says
        ),
    }
}

/// Messages behind their lengths as gRPC frames them.
fn framed(data: &[u8], compressed: bool) -> Vec<u8> {
    let (mut bytes, mut frames) = (Bytes::new(data), Vec::new());
    while !bytes.is_empty() {
        let length = bytes.u16();
        let message = bytes.chunk(usize::from(length));
        frames.push(u8::from(compressed));
        frames.extend((message.len() as u32).to_be_bytes());
        frames.extend(message);
    }
    frames
}

/// An answer, as far as it has come when the agent stops.
struct Answer {
    status: String,
    says: String,
    body: Vec<u8>,
}

async fn answer(request: http::Request<Body>, open: bool) -> Answer {
    let listen = if open { ([0, 0, 0, 0], 9191) } else { ([127, 0, 0, 1], 9191) };
    let config = GrpcConfig { listen: listen.into(), ..GrpcConfig::default() };
    let access = Access::open(&AccessConfig::default()).expect("there are no files");
    let (pictures, stop) = (Pictures::new(), CancellationToken::new());
    let services =
        GrpcServices::new(&config, &access, Epoch(7), Pictures::WINDOW, pictures.handle(), refuse_every_other());
    let mut routes = services.routes(&stop).await.expect("good descriptors");
    let closing = tokio::spawn(pictures.close_windows());
    let response = routes.call(request).await.expect("whoever asks gets an answer");
    closing.abort();
    // What is followed would not end otherwise.
    stop.cancel();
    let (head, body) = response.into_parts();
    assert_eq!(head.status, http::StatusCode::OK);
    let body = body.collect().await.expect("a whole answer");
    let trailers = body.trailers().unwrap_or(&head.headers);
    let text = |name| trailers.get(name).map_or("", |value| value.to_str().expect("text")).to_owned();
    Answer { status: text("grpc-status"), says: text("grpc-message"), body: body.to_bytes().into() }
}

fn refuse_every_other() -> InvocationHandle {
    InvocationHandle::new(broadcast::channel(1).0, |observed, reply| {
        let answer = |(index, _)| if index % 2 == 0 { Ok(Taken { offset: None }) } else { Err(Refusal::TooLate) };
        // The service waits for it.
        let _ = reply.send(observed.iter().enumerate().map(answer).collect());
        Ok(())
    })
}

/// An answer that is no refusal.
fn check(method: &str, mut body: &[u8]) {
    while let Some((head, rest)) = body.split_first_chunk::<5>() {
        let [compressed, length @ ..] = *head;
        let (message, after) = rest.split_at(u32::from_be_bytes(length) as usize);
        body = after;
        if compressed == 0 {
            check_message(method, message);
        }
    }
    assert!(body.is_empty(), "half a message");
}

fn check_message(method: &str, message: &[u8]) {
    fn read<M: Message + Default>(message: &[u8]) -> M {
        M::decode(message).expect("what was encoded can be read")
    }
    match method.rsplit('/').next() {
        Some("Snapshot") => {
            let answer: energy::SnapshotResponse = read(message);
            assert!(answer.picture.is_some_and(|picture| picture.epoch == 7 && picture.zones.len() == 1));
        }
        Some("Report") => {
            let answer: invocation::ReportResponse = read(message);
            assert!(answer.refusals.len() <= MOST_REFUSALS.min(answer.refused as usize));
            assert!(answer.refusals.iter().all(|it| !it.reason.is_empty() && it.id.len() <= 128), "{answer:?}");
            assert!(answer.clock_offset_seconds.is_finite());
        }
        Some("Export") => {
            let answer: ExportTraceServiceResponse = read(message);
            let said = answer.partial_success.is_none_or(|it| it.rejected_spans > 0 && !it.error_message.is_empty());
            assert!(said, "spans are refused without a reason");
        }
        _ => {}
    }
}
