//! Receiver, forwarder and a collector together.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::trace::v1::Span;
use tokio::sync::{broadcast, mpsc};
use tokio_util::sync::CancellationToken;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Identity, ServerTlsConfig};
use tonic::{Request, Response, Status};

use super::held::{attribute, finished};
use crate::config::OtlpConfig;
use crate::export::otlp::fixtures::{request, span};
use crate::export::otlp::{Forwarder, TraceReceiver};
use crate::invocation::{By, Finished, InvocationHandle, Observed, Taken};

type Collected = mpsc::UnboundedReceiver<(Option<String>, ExportTraceServiceRequest)>;

const PATIENCE: Duration = Duration::from_secs(20);

/// A collector that has a bad start: it first answers that it is away.
struct Double {
    answers: Mutex<Vec<Status>>,
    received: mpsc::UnboundedSender<(Option<String>, ExportTraceServiceRequest)>,
}

#[tonic::async_trait]
impl TraceService for Double {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        if let Some(status) = self.answers.lock().unwrap().pop() {
            return Err(status);
        }
        let token = request.metadata().get("authorization").map(|it| it.to_str().unwrap().to_owned());
        self.received.send((token, request.into_inner())).expect("the test goes on");
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

struct Setup {
    receiver: TraceReceiver,
    observed: Arc<Mutex<Vec<Observed>>>,
    finished: broadcast::Sender<Arc<[Finished]>>,
    collected: Collected,
    _stop: tokio_util::sync::DropGuard,
}

fn collector(answers: Vec<Status>, tls: Option<ServerTlsConfig>) -> (SocketAddr, Collected) {
    let (received, collected) = mpsc::unbounded_channel();
    let incoming = TcpIncoming::bind(([127, 0, 0, 1], 0).into()).expect("a free port");
    let address = incoming.local_addr().expect("it is bound");
    let double = TraceServiceServer::new(Double { answers: Mutex::new(answers), received });
    let mut server = tonic::transport::Server::builder();
    if let Some(tls) = tls {
        server = server.tls_config(tls).expect("a good certificate");
    }
    tokio::spawn(server.add_service(double).serve_with_incoming(incoming));
    (address, collected)
}

fn setup(answers: Vec<Status>, config: OtlpConfig) -> Setup {
    let (address, collected) = collector(answers, None);
    forward(&OtlpConfig { endpoint: Some(format!("http://{address}")), ..config }, collected)
}

fn forward(config: &OtlpConfig, collected: Collected) -> Setup {
    let (finished, _) = broadcast::channel(16);
    let observed = Arc::new(Mutex::new(Vec::new()));
    let taken = Arc::clone(&observed);
    let handle = InvocationHandle::new(finished.clone(), move |some: Vec<Observed>, reply| {
        reply.send(some.iter().map(|_| Ok(Taken::default())).collect()).expect("somebody waits");
        taken.lock().unwrap().extend(some);
        Ok(())
    });
    let stop = CancellationToken::new();
    let forwarder = Forwarder::start(config, Duration::from_mins(1), &handle, &stop).expect("a good configuration");
    let receiver = TraceReceiver::new(handle, forwarder);
    Setup { receiver, observed, finished, collected, _stop: stop.drop_guard() }
}

impl Setup {
    async fn send(&self, spans: Vec<Span>) {
        let request = Request::new(request(&[("faas.name", "hello")], spans));
        self.receiver.export(request).await.expect("taken");
    }

    async fn next(&mut self) -> (Option<String>, Vec<Span>) {
        let received = tokio::time::timeout(PATIENCE, self.collected.recv()).await;
        let (token, request) = received.expect("in time").expect("it listens");
        let scopes = request.resource_spans.into_iter().flat_map(|it| it.scope_spans);
        (token, scopes.flat_map(|it| it.spans).collect())
    }

    fn finish(&self) {
        let observed = std::mem::take(&mut *self.observed.lock().unwrap());
        let done = observed.iter().map(|it| finished(&it.id, it.start, it.end)).collect();
        self.finished.send(done).expect("the forwarder listens");
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_nanos() as u64
}

#[tokio::test]
async fn spans_go_on_with_their_energy_when_the_collector_is_back() {
    let directory = tempfile::tempdir().expect("a directory");
    let headers = directory.path().join("headers");
    std::fs::write(&headers, "Authorization: Bearer secret\n").expect("written");
    let config = OtlpConfig { headers_file: Some(headers), ..OtlpConfig::default() };
    let mut setup = setup(vec![Status::unavailable("not yet")], config);
    let original = span(1, 0, now(), &[("http.route", "/")]);
    let client = Span { kind: 3, name: "query".into(), ..span(2, 1, now(), &[]) };
    setup.send(vec![original.clone(), client.clone()]).await;
    setup.finish();
    let (token, spans) = setup.next().await;
    assert_eq!(token.as_deref(), Some("Bearer secret"));
    assert_eq!(spans[1], client, "no invocation, unchanged");
    assert_eq!(attribute(&spans[0], "prony.energy.package.joules").as_deref(), Some("0.0001"));
    let without_ours = spans[0].attributes.iter().filter(|it| !it.key.starts_with("prony.")).cloned().collect();
    assert_eq!(Span { attributes: without_ours, ..spans[0].clone() }, original);
}

#[tokio::test]
async fn what_is_no_invocation_waits_for_nothing_and_what_comes_twice_goes_on_once() {
    let mut setup = setup(Vec::new(), OtlpConfig::default());
    let (at, client) = (now(), Span { kind: 3, ..span(2, 1, now(), &[]) });
    setup.send(vec![client.clone()]).await;
    assert_eq!(setup.next().await.1, std::slice::from_ref(&client));
    setup.send(vec![span(1, 0, at, &[])]).await;
    setup.send(vec![span(1, 0, at, &[]), client.clone()]).await;
    assert_eq!(setup.next().await.1, [client], "the first waits for its energy");
    setup.finish();
    assert_eq!(setup.next().await.1.len(), 1);
}

#[tokio::test]
async fn what_the_collector_refuses_holds_up_nothing() {
    let mut setup = setup(vec![Status::invalid_argument("bad")], OtlpConfig::default());
    let client = |number| Span { kind: 3, ..span(number, 0, now(), &[]) };
    setup.send(vec![client(1)]).await;
    // What is sent before the first is refused goes with it.
    let last = async {
        for number in 2..=200 {
            setup.send(vec![client(number)]).await;
            if let Ok((_, request)) = setup.collected.try_recv() {
                return request;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("nothing has come");
    };
    assert!(last.await.resource_spans[0].scope_spans[0].spans[0].span_id[7] > 1);
}

#[tokio::test]
async fn what_the_kernel_has_seen_becomes_a_span_when_asked() {
    let mut setup = setup(Vec::new(), OtlpConfig { spans_for_seen: true, ..OtlpConfig::default() });
    let id = "7-9".into();
    let at = crate::clock::Timestamp::now();
    let reported = finished(&id, at, at);
    setup.finished.send(Arc::new([reported.clone(), Finished { by: By::Process, ..reported }])).expect("it listens");
    let (_, spans) = setup.next().await;
    assert_eq!(spans.len(), 1, "what is reported by other ways has a span of its own if any");
    assert_eq!((spans[0].name.as_str(), spans[0].trace_id.len(), spans[0].span_id.len()), ("hello", 16, 8));
    assert_eq!(attribute(&spans[0], "faas.invocation_id").as_deref(), Some("7-9"));
    assert_eq!(attribute(&spans[0], "prony.cpu.seconds").as_deref(), Some("0.005"));
}

#[tokio::test]
async fn tls_is_checked_against_the_authorities_in_the_file() {
    let signed = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
    let identity = Identity::from_pem(signed.cert.pem(), signed.signing_key.serialize_pem());
    let (address, collected) = collector(Vec::new(), Some(ServerTlsConfig::new().identity(identity)));
    let directory = tempfile::tempdir().expect("a directory");
    let authorities = directory.path().join("ca.pem");
    std::fs::write(&authorities, signed.cert.pem()).expect("written");
    let endpoint = Some(format!("https://{address}"));
    let mut setup = forward(&OtlpConfig { endpoint, ca_file: Some(authorities), ..OtlpConfig::default() }, collected);
    let client = Span { kind: 3, ..span(1, 0, now(), &[]) };
    setup.send(vec![client.clone()]).await;
    assert_eq!(setup.next().await.1, [client]);
}
