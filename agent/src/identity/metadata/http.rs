//! One HTTP request, over TCP, TLS or a unix socket.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::client::conn::http1;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

/// How long connecting and an answer's head may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a whole answer may take.
const WHOLE_PATIENCE: Duration = Duration::from_secs(30);
/// The largest answer that is read: 5,000 pods are about 50 MB at most.
const LARGEST: usize = 128 << 20;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HttpError {
    /// Nobody answers.
    #[error("cannot connect: {0}")]
    Connect(std::io::Error),
    /// The certificate of the server cannot be checked.
    #[error("{0}")]
    Tls(String),
    /// The server answers with an error.
    #[error("it answers {0}")]
    Status(StatusCode),
    /// The answer breaks off, is too large or comes too slowly.
    #[error("the answer cannot be read: {0}")]
    Body(String),
}

/// A server.
#[derive(Clone, Debug)]
pub(crate) enum Server {
    /// `http://host:port`.
    Http { host: String, port: u16 },
    /// `https://host:port`.
    Https { host: String, port: u16, tls: Arc<rustls::ClientConfig> },
    /// The socket of a local daemon.
    Unix(PathBuf),
}

/// What is asked, beside where.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Question<'a> {
    /// Whether it is a PUT; else a GET.
    pub(crate) put: bool,
    /// With the query.
    pub(crate) path: &'a str,
    /// Names in lower case, and values.
    pub(crate) headers: &'a [(&'a str, &'a str)],
}

/// The body of an answer.
pub(super) type Body = hyper::body::Incoming;

impl Server {
    /// Of `https://host[:port]`; its certificate has to be signed by those of `authorities` (a PEM file), or by anybody
    /// where `insecure`.
    pub(super) fn https(url: &str, authorities: &Path, insecure: bool) -> Result<Self, HttpError> {
        let wrong = || HttpError::Tls(format!("'{url}' is no address like https://192.0.2.1:10250"));
        let (host, port) = host_and_port(url, "https", 443).ok_or_else(wrong)?;
        let trust = if insecure { Trust::Anybody } else { Trust::Only(authorities_in(authorities)?) };
        Self::over_tls(host, port, trust)
    }

    /// Of `http://host[:port]` or `https://host[:port]`, where the certificate has to be signed by those of `authorities` (a PEM
    /// file), or by those that the system trusts.
    ///
    /// # Errors
    /// When it is no such address, or there are no authorities.
    pub(crate) fn of_url(url: &str, authorities: Option<&Path>) -> Result<Self, HttpError> {
        if let Some((host, port)) = host_and_port(url, "http", 80) {
            return Ok(Self::Http { host, port });
        }
        let wrong = || HttpError::Tls(format!("'{url}' is no address like https://boavizta.example.com"));
        let (host, port) = host_and_port(url, "https", 443).ok_or_else(wrong)?;
        Self::over_tls(host, port, Trust::Only(authorities.map_or_else(systems_authorities, authorities_in)?))
    }

    fn over_tls(host: String, port: u16, trust: Trust) -> Result<Self, HttpError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = rustls::ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| HttpError::Tls(error.to_string()))?;
        let tls = match trust {
            Trust::Anybody => builder.dangerous().with_custom_certificate_verifier(Arc::new(Anybody(provider))),
            Trust::Only(authorities) => builder.with_root_certificates(authorities),
        };
        Ok(Self::Https { host, port, tls: Arc::new(tls.with_no_client_auth()) })
    }

    /// Asks for `path` and reads the whole answer.
    pub(super) async fn get(&self, path: &str, token: Option<&str>) -> Result<Bytes, HttpError> {
        whole(self.open(path, token)).await
    }

    /// Asks, and reads the whole answer.
    ///
    /// # Errors
    /// When there is none, it is an error, or it is too long.
    pub(crate) async fn ask(&self, question: &Question<'_>) -> Result<Bytes, HttpError> {
        whole(self.send(question)).await
    }

    /// Asks for `path` and gives the answer's body, which may go on for ever.
    pub(super) async fn open(&self, path: &str, token: Option<&str>) -> Result<Body, HttpError> {
        let bearer = token.map(|token| format!("Bearer {token}"));
        let headers: Vec<_> = bearer.iter().map(|bearer| ("authorization", bearer.as_str())).collect();
        self.send(&Question { put: false, path, headers: &headers }).await
    }

    async fn send(&self, question: &Question<'_>) -> Result<Body, HttpError> {
        // Boxed: a connection over TLS is large, and so would be all that wait for it.
        let answer = Box::pin(async {
            match self {
                Self::Http { host, port } => {
                    let stream = TcpStream::connect((host.as_str(), *port)).await.map_err(HttpError::Connect)?;
                    request(stream, host, question).await
                }
                Self::Https { host, port, tls } => {
                    let stream = TcpStream::connect((host.as_str(), *port)).await.map_err(HttpError::Connect)?;
                    let name = ServerName::try_from(host.clone())
                        .map_err(|_| HttpError::Tls(format!("'{host}' is no name of a server")))?;
                    let connector = tokio_rustls::TlsConnector::from(Arc::clone(tls));
                    let stream = connector.connect(name, stream).await.map_err(|error| {
                        HttpError::Tls(format!("the server's certificate is not accepted: {error}"))
                    })?;
                    request(stream, host, question).await
                }
                Self::Unix(socket) => {
                    let stream = UnixStream::connect(socket).await.map_err(HttpError::Connect)?;
                    request(stream, "localhost", question).await
                }
            }
        });
        in_time(PATIENCE, answer).await
    }
}

/// The whole of an answer whose body is still to come.
async fn whole(body: impl Future<Output = Result<Body, HttpError>>) -> Result<Bytes, HttpError> {
    let whole = async {
        let read = Limited::new(body.await?, LARGEST).collect().await;
        read.map(http_body_util::Collected::to_bytes).map_err(|error| HttpError::Body(error.to_string()))
    };
    in_time(WHOLE_PATIENCE, whole).await
}

async fn in_time<T>(limit: Duration, work: impl Future<Output = Result<T, HttpError>>) -> Result<T, HttpError> {
    let slow = || HttpError::Body(format!("it takes longer than {} s", limit.as_secs()));
    tokio::time::timeout(limit, work).await.unwrap_or_else(|_| Err(slow()))
}

async fn request<S>(stream: S, host: &str, question: &Question<'_>) -> Result<Body, HttpError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let broken = |error: hyper::Error| HttpError::Body(error.to_string());
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    // It ends when the answer has been read or dropped.
    tokio::spawn(connection);
    let method = if question.put { Method::PUT } else { Method::GET };
    let request =
        Request::builder().method(method).uri(question.path).header("host", host).header("accept", "application/json");
    let request = question.headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    let request = request.body(Empty::<Bytes>::new()).map_err(|error| HttpError::Body(error.to_string()))?;
    let answer = sender.send_request(request).await.map_err(broken)?;
    if answer.status() == StatusCode::OK { Ok(answer.into_body()) } else { Err(HttpError::Status(answer.status())) }
}

/// Whose certificates are taken.
enum Trust {
    /// Of whom these have signed.
    Only(rustls::RootCertStore),
    Anybody,
}

/// Of an address with this scheme.
fn host_and_port(url: &str, scheme: &str, usual_port: u16) -> Option<(String, u16)> {
    let uri: hyper::Uri = url.parse().ok()?;
    let host = uri.host().filter(|_| uri.scheme_str() == Some(scheme))?;
    Some((host.trim_matches(['[', ']']).to_owned(), uri.port_u16().unwrap_or(usual_port)))
}

fn systems_authorities() -> Result<rustls::RootCertStore, HttpError> {
    let mut store = rustls::RootCertStore::empty();
    store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let none = || HttpError::Tls("the system trusts no authorities: install ca-certificates, or name a file".into());
    if store.is_empty() { Err(none()) } else { Ok(store) }
}

fn authorities_in(file: &Path) -> Result<rustls::RootCertStore, HttpError> {
    let unreadable = |error: &dyn std::fmt::Display| {
        HttpError::Tls(format!("the certificates of the authorities in {} cannot be read: {error}", file.display()))
    };
    let mut store = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(file).map_err(|error| unreadable(&error))? {
        store.add(certificate.map_err(|error| unreadable(&error))?).map_err(|error| unreadable(&error))?;
    }
    if store.is_empty() { Err(unreadable(&"there is none in it")) } else { Ok(store) }
}

/// Accepts every certificate, as `identity.kubelet_insecure` asks for.
#[derive(Debug)]
struct Anybody(Arc<rustls::crypto::CryptoProvider>);

impl rustls::client::danger::ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: rustls::pki_types::UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(
            message,
            certificate,
            signature,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
