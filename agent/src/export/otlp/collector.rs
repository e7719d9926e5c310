//! The collector that spans are sent on to.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, bail};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use tonic::metadata::{AsciiMetadataKey, AsciiMetadataValue, MetadataMap};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tonic::{Code, Request, Status};

use crate::config::OtlpConfig;

/// The type of the detail of a status that says when to try again.
const RETRY_INFO: &[u8] = b"google.rpc.RetryInfo";

/// A way to the collector; it connects when there is something to send.
#[derive(Clone, Debug)]
pub(super) struct Collector {
    client: TraceServiceClient<Channel>,
    headers: MetadataMap,
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It was taken, but for so many spans.
    Taken { refused: usize, why: String },
    /// It will never be taken.
    Refused(String),
    /// It may be taken later.
    Away(String),
}

impl Collector {
    /// That of `config`; `None` where there is none.
    pub(super) fn new(config: &OtlpConfig) -> anyhow::Result<Option<Self>> {
        let Some(address) = &config.endpoint else { return Ok(None) };
        let wrong = || format!("otlp.endpoint is '{address}': write an address like 'http://192.0.2.1:4317'");
        let mut endpoint = Endpoint::from_shared(address.clone()).with_context(wrong)?.timeout(config.timeout);
        endpoint = endpoint.connect_timeout(config.timeout);
        if address.starts_with("https://") {
            let tls = ClientTlsConfig::new();
            let tls = match &config.ca_file {
                Some(file) => tls.ca_certificate(Certificate::from_pem(read(file, "otlp.ca_file")?)),
                None => tls.with_native_roots(),
            };
            endpoint = endpoint.tls_config(tls).context("TLS to otlp.endpoint cannot be set up: see otlp.ca_file")?;
        }
        let headers = match &config.headers_file {
            Some(file) => headers(&read(file, "otlp.headers_file")?)
                .with_context(|| format!("otlp.headers_file {} is not right", file.display()))?,
            None => MetadataMap::new(),
        };
        Ok(Some(Self { client: TraceServiceClient::new(endpoint.connect_lazy()), headers }))
    }

    /// Sends a request.
    pub(super) async fn send(&self, request: ExportTraceServiceRequest) -> Outcome {
        let mut message = Request::new(request);
        *message.metadata_mut() = self.headers.clone();
        match self.client.clone().export(message).await {
            Ok(response) => {
                let partial = response.into_inner().partial_success.unwrap_or_default();
                let refused = usize::try_from(partial.rejected_spans).unwrap_or(0);
                Outcome::Taken { refused, why: partial.error_message }
            }
            Err(status) if may_pass(&status) => Outcome::Away(status.to_string()),
            Err(status) => Outcome::Refused(status.to_string()),
        }
    }
}

/// Which answers OTLP says to try again after. `Unknown` is also what the transport gives when a connection ends. A collector
/// whose resources are exhausted says by a `RetryInfo` whether that will pass; the request may also be too large.
fn may_pass(status: &Status) -> bool {
    if status.code() == Code::ResourceExhausted {
        return status.details().windows(RETRY_INFO.len()).any(|window| window == RETRY_INFO);
    }
    matches!(
        status.code(),
        Code::Cancelled
            | Code::DeadlineExceeded
            | Code::Aborted
            | Code::OutOfRange
            | Code::Unavailable
            | Code::DataLoss
            | Code::Unknown
    )
}

fn read(file: &Path, key: &str) -> anyhow::Result<String> {
    fs::read_to_string(file).with_context(|| format!("{key} cannot be read: {}", file.display()))
}

/// Lines of `name: value`; empty ones and those that begin with `#` are left out. Values are never shown.
fn headers(text: &str) -> anyhow::Result<MetadataMap> {
    let mut headers = MetadataMap::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let parsed = line.split_once(':').and_then(|(name, value)| {
            let name: AsciiMetadataKey = name.trim().to_ascii_lowercase().parse().ok()?;
            let mut value: AsciiMetadataValue = value.trim().parse().ok()?;
            value.set_sensitive(true);
            Some((name, value))
        });
        let Some((name, value)) = parsed else { bail!("line {number} is no header: write 'name: value'") };
        headers.insert(name, value);
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_lines_and_what_is_wrong_is_told_without_the_value() {
        let read = headers("# for the collector\n\nAuthorization: Bearer a:b\nx-scope = 1\n").expect_err("line 4");
        assert_eq!(read.to_string(), "line 4 is no header: write 'name: value'");
        let read = headers("Authorization: Bearer a:b\n").expect("good");
        assert_eq!(read.get("authorization").expect("there"), "Bearer a:b");
        assert!(!format!("{read:?}").contains("Bearer"), "a secret");
    }

    #[test]
    fn what_may_pass_is_tried_again() {
        for (code, again) in [(Code::Unavailable, true), (Code::DeadlineExceeded, true), (Code::InvalidArgument, false)]
        {
            assert_eq!(may_pass(&Status::new(code, "")), again, "{code:?}");
        }
        assert!(!may_pass(&Status::unauthenticated("")) && !may_pass(&Status::resource_exhausted("")));
        let details = b"\x1a\x2b\x0a\x28type.googleapis.com/google.rpc.RetryInfo".as_slice().into();
        assert!(may_pass(&Status::with_details(Code::ResourceExhausted, "", details)));
    }
}
