//! Docker or Podman on this machine, through their socket: a list, then events.

use std::path::PathBuf;
use std::time::Duration;

use http_body_util::BodyExt as _;
use tracing::info;

use crate::notice::Notice;

use super::catalogue::Catalogue;
use super::container_list::{ContainerEvent, read_container_event, read_container_list};
use super::http::{Body, HttpError, Server};
use super::{Source, Tell};

/// The first and the longest pause after the socket has failed.
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
/// The longest event that is taken for one.
const LONGEST_EVENT: usize = 1 << 20;

static UNAVAILABLE: Notice = Notice::new("container_engine_unavailable");

/// Follows an engine.
#[derive(Debug)]
pub(super) struct EngineApi {
    pub(super) source: Source,
    pub(super) socket: PathBuf,
}

impl EngineApi {
    /// Runs for as long as it is polled.
    pub(super) async fn run(&self, catalogue: &mut Catalogue, tell: &Tell) {
        let mut pause = PAUSE;
        loop {
            match self.follow(catalogue, tell).await {
                Ok(()) => pause = PAUSE,
                Err(problem) => {
                    UNAVAILABLE.warn(format_args!(
                        "containers have no names: {} at {}: {problem}. Is it running, and may the agent open its socket? \
                         What is known stays; it is asked again",
                        self.source.label(),
                        self.socket.display()
                    ));
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
            tell.up(self.source, false);
            tokio::time::sleep(pause).await;
        }
    }

    /// Until the events end.
    async fn follow(&self, catalogue: &mut Catalogue, tell: &Tell) -> Result<(), String> {
        let server = Server::Unix(self.socket.clone());
        let text = |error: HttpError| error.to_string();
        // Before the list: what happens meanwhile is told twice rather than never.
        let mut events = Events { body: server.open("/events", None).await.map_err(text)?, buffer: Vec::new() };
        let json = server.get("/containers/json?all=true", None).await.map_err(text)?;
        let list = read_container_list(&json).map_err(|error| format!("it answers with no list: {error}"))?;
        info!("{} at {} tells of {} containers", self.source.label(), self.socket.display(), list.len());
        tell.up(self.source, true);
        tell.news(catalogue.replace(Vec::new(), list));
        while let Some(line) = events.next().await? {
            let news = match read_container_event(&line) {
                Ok(ContainerEvent::There(facts)) => catalogue.put(facts),
                Ok(ContainerEvent::Gone(id)) => catalogue.remove(&id),
                Ok(ContainerEvent::Other) => None,
                Err(error) => return Err(format!("an event is not understood: {error}")),
            };
            tell.news(news.into_iter().collect());
        }
        Ok(())
    }
}

/// Lines of an answer that goes on.
struct Events {
    body: Body,
    buffer: Vec<u8>,
}

impl Events {
    async fn next(&mut self) -> Result<Option<Vec<u8>>, String> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                if !line.trim_ascii().is_empty() {
                    return Ok(Some(line));
                }
                continue;
            }
            if self.buffer.len() > LONGEST_EVENT {
                return Err("an event is too long".into());
            }
            match self.body.frame().await {
                None => return Ok(None),
                Some(Ok(frame)) => self.buffer.extend(frame.data_ref().into_iter().flatten()),
                Some(Err(error)) => return Err(error.to_string()),
            }
        }
    }
}
