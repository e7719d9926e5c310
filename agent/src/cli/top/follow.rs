//! The connection to the agent, made again whenever it breaks.

use std::time::Duration;

use anyhow::Context;
use prony_proto::energy::v1 as pb;
use prony_proto::energy::v1::energy_client::EnergyClient;
use tokio::sync::mpsc::Sender;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status, Streaming};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const KEEPALIVE: Duration = Duration::from_secs(10);
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// A whole picture of 100,000 lines with long names is about 30 MB.
const MAX_MESSAGE_BYTES: usize = 64 * 1024 * 1024;

/// What happened on the connection.
#[derive(Debug)]
pub(super) enum News {
    /// A message came.
    Message(Box<pb::WatchResponse>),
    /// The connection is lost, as the text says; it will be tried again.
    Lost(String),
    /// The agent does not answer this request; it will not be tried again.
    Refused(String),
}

/// Where the agent is.
///
/// # Errors
/// Where the text is no URL.
pub(super) fn endpoint(url: &str) -> anyhow::Result<Endpoint> {
    let full = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
    let endpoint = Endpoint::from_shared(full)
        .with_context(|| format!("'{url}' is no address: write for example http://127.0.0.1:9191"))?;
    Ok(endpoint
        .connect_timeout(CONNECT_TIMEOUT)
        .http2_keep_alive_interval(KEEPALIVE)
        .keep_alive_while_idle(true)
        .tcp_nodelay(true))
}

/// Begins one Watch.
///
/// # Errors
/// What the agent answers, or `UNAVAILABLE` where it cannot be reached.
pub(super) async fn watch(
    endpoint: &Endpoint,
    request: pb::WatchRequest,
) -> Result<Streaming<pb::WatchResponse>, Status> {
    let channel: Channel = endpoint.connect().await.map_err(|error| Status::unavailable(root_cause(&error)))?;
    let mut client = EnergyClient::new(channel).max_decoding_message_size(MAX_MESSAGE_BYTES);
    Ok(client.watch(request).await?.into_inner())
}

/// Follows the agent until the request is refused or nobody listens any more.
pub(super) async fn follow(endpoint: Endpoint, request: pb::WatchRequest, news: Sender<News>) {
    let mut pause = FIRST_PAUSE;
    loop {
        let status = match watch(&endpoint, request.clone()).await {
            Ok(mut stream) => loop {
                match stream.message().await {
                    Ok(Some(message)) => {
                        pause = FIRST_PAUSE;
                        if news.send(News::Message(Box::new(message))).await.is_err() {
                            return;
                        }
                    }
                    Ok(None) => break Status::unavailable("the agent ended the stream"),
                    Err(status) => break status,
                }
            },
            Err(status) => status,
        };
        let reason = explain(&status, endpoint.uri());
        if is_final(&status) {
            // Nobody listens: then nobody has to know.
            let _ = news.send(News::Refused(reason)).await;
            return;
        }
        let text = format!("{reason}; trying again in {}", humantime::format_duration(pause));
        if news.send(News::Lost(text)).await.is_err() {
            return;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// What a status means, and what to do.
pub(super) fn explain(status: &Status, uri: &impl std::fmt::Display) -> String {
    match status.code() {
        Code::Unavailable => format!("no agent at {uri} ({}): is `prony run` running there?", status.message()),
        Code::Unimplemented => format!("what listens at {uri} is no agent of this version: {}", status.message()),
        _ => format!("the agent says: {}", status.message()),
    }
}

fn is_final(status: &Status) -> bool {
    matches!(
        status.code(),
        Code::InvalidArgument | Code::Unimplemented | Code::PermissionDenied | Code::Unauthenticated
    )
}

fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
