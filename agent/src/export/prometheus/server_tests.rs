use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use metrics_exporter_prometheus::PrometheusBuilder;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::watch;

use super::*;
use crate::config::AccessConfig;
use crate::export::prometheus::{parser, sample_books};
use crate::snapshot::{Generation, Request, Snapshot, Stopped};

/// A server on a free port of the loopback, over books that are answered for by `answer`.
struct Running {
    address: SocketAddr,
    shutdown: CancellationToken,
    serving: tokio::task::JoinHandle<anyhow::Result<()>>,
    _windows: watch::Sender<Generation>,
}

impl Running {
    async fn start(limits: Limits, answer: impl Fn(Request) -> Result<(), Stopped> + Send + Sync + 'static) -> Self {
        let config = PrometheusConfig { listen: loopback(0), ..PrometheusConfig::default() };
        let mut server = Server::bind(&config, &open_access()).await.unwrap();
        server.limits = limits;
        let address = server.local_addr().unwrap();
        let (windows, closed) = watch::channel(Generation(7));
        let shutdown = CancellationToken::new();
        let recorder = PrometheusBuilder::new().build_recorder().handle();
        let serving = tokio::spawn(server.run(SnapshotHandle::new(closed, answer), recorder, None, shutdown.clone()));
        Self { address, shutdown, serving, _windows: windows }
    }

    async fn with(books: Snapshot) -> Self {
        let books = Arc::new(books);
        Self::start(Limits::default(), move |request| {
            let _ = request.reply.send(Arc::clone(&books));
            Ok(())
        })
        .await
    }

    /// Sends a request and reads until the server closes the connection.
    async fn get(&self, path: &str, headers: &str) -> Answer {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: here\r\n{headers}\r\n").as_bytes()).await.unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await.unwrap();
        Answer::parse(&bytes)
    }

    async fn stop(self) {
        self.shutdown.cancel();
        self.serving.await.unwrap().unwrap();
    }
}

fn open_access() -> Access {
    Access::open(&AccessConfig::default()).unwrap()
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

#[derive(Debug)]
struct Answer {
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn parse(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap().to_ascii_lowercase();
        let body = &bytes[end + 4..];
        let body = if head.contains("transfer-encoding: chunked") { unchunk(body) } else { body.to_vec() };
        Self { head, body }
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    fn status(&self) -> &str {
        self.head.split(' ').nth(1).unwrap()
    }
}

fn unchunk(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|two| two == b"\r\n").unwrap();
        let length = usize::from_str_radix(std::str::from_utf8(&rest[..end]).unwrap(), 16).unwrap();
        if length == 0 {
            return body;
        }
        body.extend_from_slice(&rest[end + 2..end + 2 + length]);
        rest = &rest[end + 2 + length + 2..];
    }
}

#[tokio::test]
async fn metrics_come_in_the_format_that_was_asked_for() {
    let server = Running::with(sample_books::full()).await;
    for (accept, format) in [("", Format::Text), ("Accept: application/openmetrics-text\r\n", Format::OpenMetrics)] {
        let answer = server.get("/metrics", accept).await;
        assert_eq!(answer.status(), "200");
        assert!(answer.head.contains(&format!("content-type: {}", format.content_type())), "{}", answer.head);
        assert!(answer.head.contains("connection: close"), "{}", answer.head);
        let page = parser::parse(answer.text(), format).unwrap();
        assert_eq!(page.sample("kepler_node_cpu_joules_total", &[("zone", "package")]).value, "30.500001");
        assert!(page.families.contains_key("process_resident_memory_bytes"));
    }
    server.stop().await;
}

#[tokio::test]
async fn the_other_pages_answer() {
    let server = Running::with(sample_books::empty()).await;
    assert_eq!(server.get("/healthz", "").await.text(), "ok\n");
    let index = server.get("/", "").await;
    assert!(index.text().contains("/metrics"), "where there is no page, one is told where figures are");
    assert_eq!(server.get("/nothing", "").await.status(), "404");
    server.stop().await;
}

#[tokio::test]
async fn pages_are_compressed_on_request_only() {
    let server = Running::with(sample_books::crowded(2_000)).await;
    let plain = server.get("/metrics", "").await;
    assert!(!plain.head.contains("content-encoding"), "{}", plain.head);
    let packed = server.get("/metrics", "Accept-Encoding: gzip\r\n").await;
    assert!(packed.head.contains("content-encoding: gzip"), "{}", packed.head);
    assert!(packed.head.contains("vary: "), "{}", packed.head);
    assert_eq!(packed.body[..3], [0x1f, 0x8b, 8]);
    // RFC 1952, section 2.3.1: the last four bytes are the length before compression, which `process_*` may vary a little.
    let length = u32::from_le_bytes(packed.body[packed.body.len() - 4..].try_into().unwrap()) as usize;
    assert!(length.abs_diff(plain.body.len()) < 200, "{length} {}", plain.body.len());
    assert!(packed.body.len() * 5 < plain.body.len());
    let refused = server.get("/metrics", "Accept-Encoding: gzip;q=0\r\n").await;
    assert!(!refused.head.contains("content-encoding"), "{}", refused.head);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_scrapes_at_once_are_all_answered() {
    let server = Arc::new(Running::with(sample_books::crowded(300)).await);
    let scrapes = (0..20).map(|index| {
        let server = Arc::clone(&server);
        tokio::spawn(async move {
            let format = if index % 2 == 0 { Format::Text } else { Format::OpenMetrics };
            let answer = server.get("/metrics", &format!("Accept: {}\r\n", format.content_type())).await;
            parser::parse(answer.text(), format).unwrap().samples("kepler_process_cpu_watts").len()
        })
    });
    for scrape in scrapes.collect::<Vec<_>>() {
        assert_eq!(scrape.await.unwrap(), 1_200);
    }
    Arc::into_inner(server).unwrap().stop().await;
}

#[tokio::test]
async fn clients_that_leave_or_stall_hold_nobody_up() {
    let limits = Limits { connections: 2, request: Duration::from_secs(2), answer: Duration::from_secs(1) };
    let books = Arc::new(sample_books::crowded(300));
    let server = Running::start(limits, move |request| {
        let _ = request.reply.send(Arc::clone(&books));
        Ok(())
    })
    .await;
    // More of each kind than there are places: silent ones, half a request, a request whose answer is not read, and
    // one that leaves at once.
    let mut stalled = Vec::new();
    for sent in ["", "GET /metrics HT", "GET /metrics HTTP/1.1\r\nHost: here\r\n\r\n"].repeat(2) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let mut stream = socket.connect(server.address).await.unwrap();
        stream.write_all(sent.as_bytes()).await.unwrap();
        stalled.push(stream);
    }
    let mut leaving = TcpStream::connect(server.address).await.unwrap();
    leaving.write_all(b"GET /metrics HTTP/1.1\r\nHost: here\r\n\r\n").await.unwrap();
    drop(leaving);

    let answer = tokio::time::timeout(Duration::from_mins(1), server.get("/metrics", "")).await.unwrap();
    assert_eq!(parser::parse(answer.text(), Format::Text).unwrap().samples("kepler_process_cpu_watts").len(), 1_200);
    drop(stalled);
    server.stop().await;
}

#[tokio::test]
async fn a_pipeline_that_has_ended_is_reported() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let server = Running::start(Limits::default(), move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
        Err(Stopped)
    })
    .await;
    for path in ["/metrics", "/healthz"] {
        let answer = server.get(path, "").await;
        assert_eq!((answer.status(), answer.text()), ("503", "the agent is stopping\n"));
    }
    assert_eq!(asked.load(Ordering::Relaxed), 2);
    server.stop().await;
}

#[tokio::test]
async fn a_pipeline_that_does_not_answer_is_reported() {
    let kept = std::sync::Mutex::new(Vec::new());
    let server = Running::start(Limits::default(), move |request| {
        kept.lock().unwrap().push(request);
        Ok(())
    })
    .await;
    let answer = server.get("/healthz", "").await;
    assert_eq!(answer.status(), "503");
    assert!(answer.text().contains("overloaded"), "{}", answer.text());
    server.stop().await;
}

#[tokio::test]
async fn stopping_does_not_wait_for_a_client_that_does_not_read() {
    let server = Running::with(sample_books::crowded(3_000)).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: here\r\n\r\n").await.unwrap();
    stream.readable().await.unwrap();
    let began = Instant::now();
    server.stop().await;
    assert!(began.elapsed() < LAST_ANSWERS_WITHIN + Duration::from_secs(20));
}

#[tokio::test]
async fn a_taken_port_is_an_error_that_names_the_fix() {
    let taken = TcpListener::bind(loopback(0)).await.unwrap();
    let listen = taken.local_addr().unwrap();
    let config = PrometheusConfig { listen, ..PrometheusConfig::default() };
    let error = Server::bind(&config, &open_access()).await.unwrap_err().to_string();
    assert!(error.contains(&listen.to_string()) && error.contains("--metrics-listen"), "{error}");
    assert!(error.contains(&format!("sport = :{}", listen.port())), "{error}");
}
