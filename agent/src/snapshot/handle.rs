//! How exporters ask for a snapshot: they send a request to the pipeline, which answers between two windows. What many
//! ask for at once is made once.

use std::fmt;
use std::sync::Arc;

use tokio::sync::{oneshot, watch};

use super::{Generation, Snapshot};

/// The pipeline has ended.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the agent is stopping")]
pub struct Stopped;

/// A wish for a picture.
#[derive(Debug)]
pub struct Request {
    /// Only lines that changed after this window; `None` for all.
    pub since: Option<Generation>,
    /// Where the picture goes.
    pub reply: oneshot::Sender<Arc<Snapshot>>,
}

type SendRequest = dyn Fn(Request) -> Result<(), Stopped> + Send + Sync;

/// An exporter's way to the books.
#[derive(Clone)]
pub struct SnapshotHandle {
    send: Arc<SendRequest>,
    closed: watch::Receiver<Generation>,
}

impl fmt::Debug for SnapshotHandle {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("SnapshotHandle").field("closed", &self.closed).finish_non_exhaustive()
    }
}

impl SnapshotHandle {
    /// A handle that sends its requests by `send`, and learns of each closed window by `closed`.
    pub fn new(
        closed: watch::Receiver<Generation>,
        send: impl Fn(Request) -> Result<(), Stopped> + Send + Sync + 'static,
    ) -> Self {
        Self { send: Arc::new(send), closed }
    }

    /// The whole books as of the last closed window.
    pub async fn whole(&self) -> Result<Arc<Snapshot>, Stopped> {
        self.ask(None).await
    }

    /// What has changed after the window `since`.
    pub async fn changed(&self, since: Generation) -> Result<Arc<Snapshot>, Stopped> {
        self.ask(Some(since)).await
    }

    /// Waits until a window has closed that this handle has not waited for yet.
    pub async fn window_closed(&mut self) -> Result<Generation, Stopped> {
        self.closed.changed().await.map_err(|_| Stopped)?;
        Ok(*self.closed.borrow_and_update())
    }

    async fn ask(&self, since: Option<Generation>) -> Result<Arc<Snapshot>, Stopped> {
        let (reply, answer) = oneshot::channel();
        (self.send)(Request { since, reply })?;
        answer.await.map_err(|_| Stopped)
    }
}
