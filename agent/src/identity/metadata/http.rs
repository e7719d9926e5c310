//! One HTTP request, over TLS or a unix socket.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::client::conn::http1;
use hyper::{Request, StatusCode};
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
pub(super) enum HttpError {
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
pub(super) enum Server {
    /// `https://host:port`.
    Https { host: String, port: u16, tls: Arc<rustls::ClientConfig> },
    /// The socket of a local daemon.
    Unix(PathBuf),
}

/// The body of an answer.
pub(super) type Body = hyper::body::Incoming;

impl Server {
    /// Of `https://host[:port]`; its certificate has to be signed by those of `authorities` (a PEM file), or by anybody
    /// where `insecure`.
    pub(super) fn https(url: &str, authorities: &Path, insecure: bool) -> Result<Self, HttpError> {
        let wrong = || HttpError::Tls(format!("'{url}' is no address like https://192.0.2.1:10250"));
        let uri: hyper::Uri = url.parse().map_err(|_| wrong())?;
        let host = uri.host().filter(|_| uri.scheme_str() == Some("https")).ok_or_else(wrong)?;
        let host = host.trim_matches(['[', ']']).to_owned();
        let port = uri.port_u16().unwrap_or(443);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = rustls::ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| HttpError::Tls(error.to_string()))?;
        let tls = if insecure {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(Anybody(provider)))
        } else {
            builder.with_root_certificates(authorities_in(authorities)?)
        };
        Ok(Self::Https { host, port, tls: Arc::new(tls.with_no_client_auth()) })
    }

    /// Asks for `path` and reads the whole answer.
    pub(super) async fn get(&self, path: &str, token: Option<&str>) -> Result<Bytes, HttpError> {
        let whole = async {
            let body = self.open(path, token).await?;
            let read = Limited::new(body, LARGEST).collect().await;
            read.map(http_body_util::Collected::to_bytes).map_err(|error| HttpError::Body(error.to_string()))
        };
        in_time(WHOLE_PATIENCE, whole).await
    }

    /// Asks for `path` and gives the answer's body, which may go on for ever.
    pub(super) async fn open(&self, path: &str, token: Option<&str>) -> Result<Body, HttpError> {
        in_time(PATIENCE, async {
            match self {
                Self::Https { host, port, tls } => {
                    let stream = TcpStream::connect((host.as_str(), *port)).await.map_err(HttpError::Connect)?;
                    let name = ServerName::try_from(host.clone())
                        .map_err(|_| HttpError::Tls(format!("'{host}' is no name of a server")))?;
                    let connector = tokio_rustls::TlsConnector::from(Arc::clone(tls));
                    let stream = connector.connect(name, stream).await.map_err(|error| {
                        HttpError::Tls(format!("the server's certificate is not accepted: {error}"))
                    })?;
                    request(stream, host, path, token).await
                }
                Self::Unix(socket) => {
                    let stream = UnixStream::connect(socket).await.map_err(HttpError::Connect)?;
                    request(stream, "localhost", path, token).await
                }
            }
        })
        .await
    }
}

async fn in_time<T>(limit: Duration, work: impl Future<Output = Result<T, HttpError>>) -> Result<T, HttpError> {
    let slow = || HttpError::Body(format!("it takes longer than {} s", limit.as_secs()));
    tokio::time::timeout(limit, work).await.unwrap_or_else(|_| Err(slow()))
}

async fn request<S>(stream: S, host: &str, path: &str, token: Option<&str>) -> Result<Body, HttpError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let broken = |error: hyper::Error| HttpError::Body(error.to_string());
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    // It ends when the answer has been read or dropped.
    tokio::spawn(connection);
    let mut request = Request::get(path).header("host", host).header("accept", "application/json");
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let request = request.body(Empty::<Bytes>::new()).map_err(|error| HttpError::Body(error.to_string()))?;
    let answer = sender.send_request(request).await.map_err(broken)?;
    if answer.status() == StatusCode::OK { Ok(answer.into_body()) } else { Err(HttpError::Status(answer.status())) }
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
