//! Each source against a server that speaks the real protocol.

use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, UnixListener};

use super::*;
use crate::config::IdentityConfig;

pub(super) type Answers = Arc<dyn Fn(&str) -> Vec<u8> + Send + Sync>;

/// What was told so far.
#[derive(Clone, Default)]
pub(super) struct Heard(pub(super) Arc<Mutex<Vec<MetadataNews>>>);

impl Heard {
    pub(super) fn names(&self) -> Vec<String> {
        let name = |news: &MetadataNews| match news {
            MetadataNews::Pod(pod) => pod.name.to_string(),
            MetadataNews::Container(container) => container.name.to_string(),
            MetadataNews::PodGone(uid) => format!("-{uid}"),
            MetadataNews::ContainerGone(id) => format!("-{id}"),
        };
        self.0.lock().unwrap().iter().map(name).collect()
    }

    /// Waits until so many pieces of news have come.
    pub(super) async fn wait_for(&self, count: usize) -> Vec<String> {
        for _ in 0..2_000 {
            if self.0.lock().unwrap().len() >= count {
                return self.names();
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("heard only {:?} of {count}", self.names());
    }
}

/// Starts the configured source; it ends when the guard is dropped.
pub(super) fn follow(config: &IdentityConfig) -> (Heard, tokio_util::sync::DropGuard) {
    let (heard, stop) = (Heard::default(), CancellationToken::new());
    let news = Arc::clone(&heard.0);
    start(config, "n1", &Handle::current(), move |more| news.lock().unwrap().extend(more), &stop);
    (heard, stop.drop_guard())
}

pub(super) fn answer(status: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

async fn read_request(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> String {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => request.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8_lossy(&request).into_owned()
}

/// A kubelet or an API server with a certificate for 127.0.0.1, its own authority and a token.
pub(super) struct Node {
    directory: tempfile::TempDir,
    pub(super) config: IdentityConfig,
}

impl Node {
    pub(super) async fn start(answers: Answers) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let signed = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
        let ca_file = directory.path().join("ca.crt");
        std::fs::write(&ca_file, signed.cert.pem()).unwrap();
        let key = rustls::pki_types::PrivateKeyDer::Pkcs8(signed.signing_key.serialize_der().into());
        let tls = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![signed.cert.der().clone()], key)
            .unwrap();
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(tls));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, answers) = (acceptor.clone(), Arc::clone(&answers));
                tokio::spawn(async move {
                    let Ok(mut stream) = acceptor.accept(stream).await else { return };
                    let request = read_request(&mut stream).await;
                    let _ = stream.write_all(&answers(&request)).await;
                    let _ = stream.flush().await;
                    if request.contains("watch=true") {
                        // A watch stays open when there is nothing to tell.
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                    let _ = stream.shutdown().await;
                });
            }
        });
        let token_file = directory.path().join("token");
        std::fs::write(&token_file, "secret\n").unwrap();
        let config = IdentityConfig {
            metadata: MetadataChoice::Kubelet,
            kubelet_url: url,
            ca_file,
            token_file,
            every: Duration::from_millis(20),
            ..IdentityConfig::default()
        };
        Self { directory, config }
    }
}

pub(super) fn pods(names: impl Iterator<Item = String>) -> Vec<u8> {
    let items: Vec<String> = names
        .map(|name| format!(r#"{{"metadata":{{"uid":"u-{name}","name":"{name}","namespace":"d"}},"status":{{}}}}"#))
        .collect();
    format!(r#"{{"kind":"PodList","items":[{}]}}"#, items.join(",")).into_bytes()
}

#[tokio::test]
async fn a_kubelet_with_five_thousand_pods_is_read_and_a_pod_that_goes_is_noticed() {
    let asked = Mutex::new(0);
    let node = Node::start(Arc::new(move |request| {
        assert!(request.starts_with("GET /pods HTTP/1.1\r\n"), "{request}");
        assert!(request.to_lowercase().contains("authorization: bearer secret\r\n"), "{request}");
        let mut asked = asked.lock().unwrap();
        *asked += 1;
        answer("200 OK", &pods((0..5_000 - *asked / 3).map(|number| format!("pod-{number}"))))
    }))
    .await;
    let (heard, _guard) = follow(&node.config);
    let names = heard.wait_for(5_001).await;
    assert_eq!((names[0].as_str(), names[5_000].as_str()), ("pod-0", "-u-pod-4999"));
}

#[tokio::test]
async fn a_token_that_was_renewed_is_used_and_errors_in_between_lose_nothing() {
    let answers = |request: &str| {
        let kind = request.to_lowercase();
        if kind.contains("bearer second\r\n") {
            answer("200 OK", &pods(["named"].into_iter().map(str::to_owned)))
        } else if kind.contains("bearer truncated") {
            answer("200 OK", &pods(["cut"].into_iter().map(str::to_owned)))[..60].to_vec()
        } else if kind.contains("bearer garbage") {
            answer("200 OK", b"<html>")
        } else if kind.contains("bearer forbidden") {
            answer("403 Forbidden", b"no")
        } else {
            answer("401 Unauthorized", b"Unauthorized")
        }
    };
    let node = Node::start(Arc::new(answers)).await;
    let (heard, _guard) = follow(&node.config);
    for token in ["truncated", "garbage", "forbidden", "second"] {
        tokio::time::sleep(Duration::from_millis(60)).await;
        std::fs::write(node.directory.path().join("token"), token).unwrap();
    }
    assert_eq!(heard.wait_for(1).await, ["named"]);
}

#[tokio::test]
async fn a_kubelet_whose_certificate_nobody_vouches_for_is_not_believed_unless_that_is_wanted() {
    let good: Answers = Arc::new(|_| answer("200 OK", &pods(["named"].into_iter().map(str::to_owned))));
    let node = Node::start(Arc::clone(&good)).await;
    let other = Node::start(good).await;
    let strange = IdentityConfig { ca_file: other.config.ca_file.clone(), ..node.config.clone() };
    let (heard, guard) = follow(&strange);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(heard.names().is_empty());
    drop(guard);
    let (heard, _guard) = follow(&IdentityConfig { kubelet_insecure: true, ..strange });
    assert_eq!(heard.wait_for(1).await, ["named"]);
}

/// Docker's socket: lists one container, then tells of what happens.
async fn engine(listener: UnixListener, events: Vec<&'static str>) {
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        let events = events.clone();
        tokio::spawn(async move {
            let request = read_request(&mut stream).await;
            if request.starts_with("GET /events") {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await;
                for event in events {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    chunk(&mut stream, event).await;
                }
                tokio::time::sleep(Duration::from_mins(1)).await;
            } else {
                assert!(request.starts_with("GET /containers/json"), "{request}");
                let list = br#"[{"Id":"aa","Names":["/one"],"Labels":{"l":"v"}}]"#;
                let _ = stream.write_all(&answer("200 OK", list)).await;
            }
        });
    }
}

async fn chunk(stream: &mut (impl AsyncWrite + Unpin), text: &str) {
    let _ = stream.write_all(format!("{:x}\r\n{text}\r\n", text.len()).as_bytes()).await;
}

#[tokio::test]
async fn an_engine_tells_of_containers_that_are_there_come_and_go() {
    let directory = tempfile::tempdir().unwrap();
    let socket: PathBuf = directory.path().join("docker.sock");
    let config = IdentityConfig {
        metadata: MetadataChoice::Auto,
        token_file: directory.path().join("none"),
        docker_socket: socket.clone(),
        podman_socket: directory.path().join("none"),
        ..IdentityConfig::default()
    };
    assert_eq!(chosen(&config), []);
    let listener = UnixListener::bind(&socket).unwrap();
    assert_eq!(chosen(&config), [Source::Docker]);
    // An event may come in pieces.
    let events = vec![
        "{\"Type\":\"container\",\"Action\":\"start\",\"Actor\":{\"ID\":\"bb\",",
        "\"Attributes\":{\"name\":\"two\"}}}\n{\"Type\":\"container\",",
        "\"Action\":\"destroy\",\"Actor\":{\"ID\":\"aa\",\"Attributes\":{}}}\n",
    ];
    tokio::spawn(engine(listener, events));
    let (heard, _guard) = follow(&config);
    assert_eq!(heard.wait_for(3).await, ["one", "two", "-aa"]);
}

#[test]
fn in_a_pod_the_cluster_is_asked() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let in_pod = IdentityConfig { token_file: file.path().into(), ..IdentityConfig::default() };
    assert_eq!(chosen(&in_pod), [Source::Kubelet, Source::ApiServer]);
    assert_eq!(chosen(&IdentityConfig { metadata: MetadataChoice::Off, ..in_pod }), []);
}
