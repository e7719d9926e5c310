//! The connection to the agent, made again whenever it breaks.

use std::time::Duration;

use prony_proto::energy::v1 as pb;
use tokio::sync::mpsc::Sender;
use tonic::{Code, Status};

use super::server::Server;

const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

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

/// Follows the agent until the request is refused or nobody listens any more.
pub(super) async fn follow(server: Server, request: pb::WatchRequest, news: Sender<News>) {
    let mut pause = FIRST_PAUSE;
    loop {
        let status = match server.watch(request.clone()).await {
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
        let reason = server.explain(&status);
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

fn is_final(status: &Status) -> bool {
    matches!(
        status.code(),
        Code::InvalidArgument | Code::Unimplemented | Code::PermissionDenied | Code::Unauthenticated
    )
}
