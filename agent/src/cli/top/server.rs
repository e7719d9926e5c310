//! The agent that is asked, and what it is shown.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use prony_proto::energy::v1 as pb;
use prony_proto::energy::v1::energy_client::EnergyClient;
use tonic::metadata::AsciiMetadataValue;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Code, Request, Status, Streaming};

use super::args::Credentials;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const KEEPALIVE: Duration = Duration::from_secs(10);
/// A whole picture of 100,000 lines with long names is about 30 MB.
const MAX_MESSAGE_BYTES: usize = 64 * 1024 * 1024;

/// Where the agent is, and how it is talked to.
#[derive(Clone, Debug)]
pub(super) struct Server {
    endpoint: Endpoint,
    is_tls: bool,
    authorization: Option<AsciiMetadataValue>,
}

impl Server {
    /// At a URL; without `http://` or `https://` it is the latter where there is something to check or to show.
    ///
    /// # Errors
    /// Where the text is no URL, or a file cannot be read or used.
    pub(super) fn new(url: &str, credentials: &Credentials) -> anyhow::Result<Self> {
        let Credentials { ca, certificate, key, token_file } = credentials;
        let wants_tls = ca.is_some() || certificate.is_some();
        let scheme = if wants_tls { "https" } else { "http" };
        let full = if url.contains("://") { url.to_owned() } else { format!("{scheme}://{url}") };
        let is_tls = full.starts_with("https://");
        ensure!(is_tls || !wants_tls, "{full} is without TLS: write https://, or leave --ca and --certificate out");
        let mut endpoint = Endpoint::from_shared(full)
            .with_context(|| format!("'{url}' is no address: write for example http://127.0.0.1:9191"))?
            .connect_timeout(CONNECT_TIMEOUT)
            .http2_keep_alive_interval(KEEPALIVE)
            .keep_alive_while_idle(true)
            .tcp_nodelay(true);
        if is_tls {
            let mut tls = match ca {
                Some(file) => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(read("--ca", file)?)),
                None => ClientTlsConfig::new().with_native_roots(),
            };
            if let (Some(certificate), Some(key)) = (certificate, key) {
                tls = tls.identity(Identity::from_pem(read("--certificate", certificate)?, read("--key", key)?));
            }
            endpoint =
                endpoint.tls_config(tls).context("TLS cannot be set up: look at --ca, --certificate and --key")?;
        }
        let authorization = token_file.as_deref().map(authorization).transpose()?;
        Ok(Self { endpoint, is_tls, authorization })
    }

    /// Begins one Watch.
    ///
    /// # Errors
    /// What the agent answers, or `UNAVAILABLE` where it cannot be reached.
    pub(super) async fn watch(&self, request: pb::WatchRequest) -> Result<Streaming<pb::WatchResponse>, Status> {
        let connected = self.endpoint.connect().await;
        let channel: Channel = connected.map_err(|error| Status::unavailable(root_cause(&error)))?;
        let mut client = EnergyClient::new(channel).max_decoding_message_size(MAX_MESSAGE_BYTES);
        let mut request = Request::new(request);
        if let Some(authorization) = &self.authorization {
            request.metadata_mut().insert("authorization", authorization.clone());
        }
        Ok(client.watch(request).await?.into_inner())
    }

    /// What a status means, and what to do.
    pub(super) fn explain(&self, status: &Status) -> String {
        let uri = self.endpoint.uri();
        let cause = std::error::Error::source(status).map(root_cause);
        let detail = cause.as_deref().unwrap_or(status.message());
        match (status.code(), &cause) {
            // In TLS 1.3 it is after the handshake that a client learns that its certificate is not good.
            (Code::Unavailable, _) | (_, Some(_)) if self.is_tls => format!(
                "no agent with TLS at {uri} ({detail}): is `prony run` running there, and do --ca, --certificate and --key \
                 fit its [access]?"
            ),
            (Code::Unavailable, _) => format!("no agent at {uri} ({detail}): is `prony run` running there?"),
            (_, Some(_)) => format!(
                "no agent without TLS at {uri} ({detail}): where it has a certificate, write https:// and see --ca"
            ),
            (Code::Unimplemented, _) => {
                format!("what listens at {uri} is no agent of this version: {}", status.message())
            }
            (Code::Unauthenticated, _) => format!("the agent says: {} (--token-file)", status.message()),
            _ => format!("the agent says: {}", status.message()),
        }
    }
}

fn read(flag: &str, file: &Path) -> anyhow::Result<String> {
    fs::read_to_string(file).with_context(|| format!("{flag} {} cannot be read", file.display()))
}

fn authorization(file: &Path) -> anyhow::Result<AsciiMetadataValue> {
    let text = read("--token-file", file)?;
    let token = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'));
    let token = token.with_context(|| format!("there is no token in {} (--token-file)", file.display()))?;
    let mut value: AsciiMetadataValue =
        format!("Bearer {token}").parse().with_context(|| format!("what {} has is no token", file.display()))?;
    value.set_sensitive(true);
    Ok(value)
}

fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_to_be_checked_or_shown_means_tls() {
        let folder = tempfile::tempdir().unwrap();
        let ca = folder.path().join("ca.crt");
        fs::write(&ca, rcgen::generate_simple_self_signed(vec!["a".into()]).unwrap().cert.pem()).unwrap();
        let with_ca = Credentials { ca: Some(ca), ..Credentials::default() };
        assert_eq!(Server::new("a:9191", &with_ca).unwrap().endpoint.uri().to_string(), "https://a:9191/");
        assert_eq!(Server::new("a:1", &Credentials::default()).unwrap().endpoint.uri().to_string(), "http://a:1/");
        let error = Server::new("http://a:9191", &with_ca).unwrap_err().to_string();
        assert!(error.contains("write https://"), "{error}");
        assert!(Server::new("http://a b", &Credentials::default()).is_err());
    }

    #[test]
    fn the_first_token_of_a_file_is_sent_and_not_shown() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tokens");
        fs::write(&file, "# mine\n\nfirst-token\nsecond-token\n").unwrap();
        let value = authorization(&file).unwrap();
        assert_eq!(value, "Bearer first-token");
        assert!(!format!("{value:?}").contains("first"));
        fs::write(&file, "# none\n").unwrap();
        assert!(authorization(&file).unwrap_err().to_string().contains("--token-file"));
    }
}
