//! A kubelet as far as the agent talks to it: the list of this node's pods, over TLS and for a token.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};
use tempfile::TempDir;

/// What pods are asked for with.
const TOKEN: &str = "a-token-for-tests";

/// A running kubelet. Its threads end with the test's process.
#[derive(Debug)]
pub struct Kubelet {
    directory: TempDir,
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

/// What it answers.
#[derive(Debug, Default)]
struct State {
    pods: Vec<Value>,
    /// A status line that it answers instead.
    refusal: Option<&'static str>,
}

impl Kubelet {
    /// One without pods.
    ///
    /// # Errors
    /// When it cannot listen, or make itself a certificate.
    pub fn start() -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let signed = rcgen::generate_simple_self_signed(vec![address.ip().to_string()])?;
        fs::write(directory.path().join("ca.crt"), signed.cert.pem())?;
        fs::write(directory.path().join("token"), format!("{TOKEN}\n"))?;
        let tls = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(
                vec![signed.cert.der().clone()],
                PrivateKeyDer::Pkcs8(signed.signing_key.serialize_der().into()),
            )?;
        let (tls, state) = (Arc::new(tls), Arc::default());
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (tls, state) = (Arc::clone(&tls), Arc::clone(&shared));
                // A client that goes away ends its connection only.
                thread::spawn(move || drop(answer(stream, tls, &state)));
            }
        });
        Ok(Self { directory, address, state })
    }

    /// The agent's token is the right one from now on, as at first, or a wrong one.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn give_token(&self, right: bool) -> Result<()> {
        let token = if right { TOKEN } else { "a-wrong-token" };
        Ok(fs::write(self.directory.path().join("token"), format!("{token}\n"))?)
    }

    /// Answers with this status line from now on, or again with the pods.
    pub fn refuse(&self, with: Option<&'static str>) {
        self.state().refusal = with;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The agent's configuration for it, asked this often.
    pub fn config(&self, every: Duration) -> String {
        let file = |name: &str| self.directory.path().join(name).display().to_string();
        format!(
            "[identity]\nmetadata = 'kubelet'\nkubelet_url = 'https://{}'\nca_file = '{}'\ntoken_file = '{}'\n\
             every = '{}ms'\n",
            self.address,
            file("ca.crt"),
            file("token"),
            every.as_millis()
        )
    }

    /// A pod with these labels and one container is there from now on, also after it has ended, until the kubelet goes.
    pub fn add(&self, uid: &str, namespace: &str, labels: &[(&str, &str)], container: &str) {
        let labels: serde_json::Map<String, Value> =
            labels.iter().map(|(label, value)| ((*label).to_owned(), json!(value))).collect();
        let pod = json!({
            "metadata": {"uid": uid, "name": format!("pod-{uid}"), "namespace": namespace, "labels": labels},
            "spec": {"containers": [{"name": "main"}]},
            "status": {"containerStatuses": [{"name": "main", "containerID": format!("containerd://{container}")}]},
        });
        self.state().pods.push(pod);
    }
}

fn answer(stream: TcpStream, tls: Arc<ServerConfig>, state: &Mutex<State>) -> Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut reader = BufReader::new(StreamOwned::new(ServerConnection::new(tls)?, stream));
    let (mut request, mut line) = (String::new(), String::new());
    while reader.read_line(&mut line)? > 2 {
        request.push_str(&std::mem::take(&mut line));
    }
    let first = request.lines().next().context("an empty request")?.to_owned();
    let (status, body) = if !request.to_lowercase().contains(&format!("authorization: bearer {TOKEN}\r\n")) {
        ("401 Unauthorized", "Unauthorized".to_owned())
    } else if !first.starts_with("GET /pods ") {
        ("404 Not Found", "404 page not found".to_owned())
    } else {
        let State { pods, refusal } = &*state.lock().unwrap_or_else(PoisonError::into_inner);
        match refusal {
            Some(refusal) => (*refusal, String::new()),
            None => {
                ("200 OK", json!({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": pods}).to_string())
            }
        }
    };
    let mut stream = reader.into_inner();
    write!(stream, "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())?;
    stream.conn.send_close_notify();
    Ok(stream.flush()?)
}
