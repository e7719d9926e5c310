//! The database's write API, of both versions.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::{Request, Response, StatusCode, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use crate::config::{InfluxdbConfig, InfluxdbVersion};

use super::credentials::Credentials;

/// How much of an answer is read: it says in a sentence what is wrong.
const LARGEST_ANSWER: usize = 4 << 10;
/// How much of it is told.
const TOLD: usize = 300;

/// A way to the database. Its connection is kept between requests.
#[derive(Debug)]
pub(super) struct Database {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    uri: Uri,
    credentials: Credentials,
    authorization: Mutex<Option<HeaderValue>>,
    timeout: Duration,
    /// The keys that say where in the database.
    place: &'static str,
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It was taken.
    Taken,
    /// So many lines of it will never be taken, all where that is not told.
    Refused { lines: Option<u64>, why: String },
    /// It will be taken once somebody has mended what `why` says.
    NotAllowed { why: String },
    /// It may be taken later, not before `wait` where that was told.
    Away { wait: Option<Duration>, why: String },
}

impl Database {
    /// That of a checked configuration, at `url`.
    ///
    /// # Errors
    /// Where the address, the certificates or the credentials cannot be used; the text names the key.
    pub(super) fn new(config: &InfluxdbConfig, url: &str) -> anyhow::Result<Self> {
        let credentials = Credentials::of(config);
        let place = match config.version {
            InfluxdbVersion::One => "influxdb.database",
            InfluxdbVersion::Two => "influxdb.org and influxdb.bucket",
        };
        Ok(Self {
            client: Client::builder(TokioExecutor::new()).build(connector(url, config.ca_file.as_deref())?),
            uri: uri(config, url)?,
            authorization: Mutex::new(credentials.header()?),
            credentials,
            timeout: config.timeout,
            place,
        })
    }

    /// Sends lines that are compressed by gzip.
    pub(super) async fn send(&self, body: Bytes) -> Outcome {
        let mut request = Request::post(self.uri.clone())
            .header(CONTENT_TYPE, "text/plain; charset=utf-8")
            .header(CONTENT_ENCODING, "gzip");
        if let Some(authorization) = &*self.authorization.lock().unwrap_or_else(PoisonError::into_inner) {
            request = request.header(AUTHORIZATION, authorization.clone());
        }
        let request = match request.body(Full::new(body)) {
            Ok(request) => request,
            Err(error) => return Outcome::Refused { lines: None, why: error.to_string() },
        };
        let whole = async {
            let answer = self.client.request(request).await.map_err(|error| causes(&error))?;
            let (status, wait) = (answer.status(), wait(&answer));
            Ok((status, wait, said(answer).await))
        };
        match tokio::time::timeout(self.timeout, whole).await {
            Ok(Ok((status, wait, said))) => self.judge(status, wait, &said),
            Ok(Err(why)) => Outcome::Away { wait: None, why },
            Err(_) => Outcome::Away { wait: None, why: format!("no answer within {:?}", self.timeout) },
        }
    }

    /// Reads the secret anew: it may have been changed.
    ///
    /// # Errors
    /// As for [`Self::new`]; what was read before stays.
    pub(super) async fn read_credentials(&self) -> anyhow::Result<()> {
        let credentials = self.credentials.clone();
        // Files may lie where reading takes long.
        let read = tokio::task::spawn_blocking(move || credentials.header()).await??;
        *self.authorization.lock().unwrap_or_else(PoisonError::into_inner) = read;
        Ok(())
    }

    fn judge(&self, status: StatusCode, wait: Option<Duration>, said: &str) -> Outcome {
        let why = if said.is_empty() { status.to_string() } else { format!("{status}: {said}") };
        match status {
            status if status.is_success() => Outcome::Taken,
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                Outcome::NotAllowed { why: format!("{why}; {}", self.credentials.keys()) }
            }
            StatusCode::NOT_FOUND => Outcome::NotAllowed {
                why: format!("{why}; is what {} says there, and influxdb.url the database's?", self.place),
            },
            status if status.is_redirection() => {
                Outcome::NotAllowed { why: format!("{why}; is influxdb.url the database's own address?") }
            }
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => Outcome::Away { wait, why },
            status if status.is_client_error() => Outcome::Refused { lines: dropped(said), why },
            _ => Outcome::Away { wait, why },
        }
    }
}

fn uri(config: &InfluxdbConfig, url: &str) -> anyhow::Result<Uri> {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let (path, pairs) = match config.version {
        InfluxdbVersion::One => ("write", vec![("db", text(&config.database))]),
        InfluxdbVersion::Two => ("api/v2/write", vec![("org", text(&config.org)), ("bucket", text(&config.bucket))]),
    };
    let query =
        form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).append_pair("precision", "ns").finish();
    format!("{}/{path}?{query}", url.trim_end_matches('/'))
        .parse()
        .with_context(|| format!("influxdb.url is '{url}': write an address like 'http://127.0.0.1:8086'"))
}

fn connector(url: &str, authorities: Option<&Path>) -> anyhow::Result<HttpsConnector<HttpConnector>> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut store = rustls::RootCertStore::empty();
    let builder = match authorities {
        // Nothing has to be read where nothing is checked.
        None if url.starts_with("https://") => HttpsConnectorBuilder::new()
            .with_provider_and_native_roots(provider)
            .context("the system's certificates cannot be read: install them, or name a file with influxdb.ca_file")?,
        authorities => {
            if let Some(file) = authorities {
                add_authorities(&mut store, file)
                    .with_context(|| format!("influxdb.ca_file {} cannot be used", file.display()))?;
            }
            let tls = rustls::ClientConfig::builder_with_provider(provider)
                .with_safe_default_protocol_versions()
                .context("TLS cannot be set up")?;
            HttpsConnectorBuilder::new().with_tls_config(tls.with_root_certificates(store).with_no_client_auth())
        }
    };
    Ok(builder.https_or_http().enable_http1().build())
}

fn add_authorities(store: &mut rustls::RootCertStore, file: &Path) -> anyhow::Result<()> {
    for certificate in CertificateDer::pem_file_iter(file)? {
        store.add(certificate?)?;
    }
    ensure!(!store.is_empty(), "there is no certificate in PEM in it (-----BEGIN CERTIFICATE-----)");
    Ok(())
}

fn wait(answer: &Response<Incoming>) -> Option<Duration> {
    let seconds = answer.headers().get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// The beginning of an answer, in one line.
async fn said(answer: Response<Incoming>) -> String {
    let Ok(body) = Limited::new(answer.into_body(), LARGEST_ANSWER).collect().await else { return String::new() };
    let text = String::from_utf8_lossy(&body.to_bytes()).into_owned();
    text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(TOLD).collect()
}

/// How many lines version 1 says that it has not taken while it took the others. It also says 0 where it could not read
/// some.
fn dropped(said: &str) -> Option<u64> {
    let (_, rest) = said.rsplit_once("dropped=")?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok().filter(|dropped| *dropped > 0)
}

/// An error with what it comes from.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
