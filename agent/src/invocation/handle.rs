//! How the outside reaches the books of invocations: reports go in, finished ones come out.

use std::fmt;
use std::sync::Arc;

use tokio::sync::{broadcast, oneshot};

use super::{Finished, Observed, Refusal, Taken};

/// The books have ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended;

type Send = dyn Fn(Vec<Observed>, oneshot::Sender<Answers>) -> Result<(), Ended> + core::marker::Send + Sync;

/// For each invocation, whether it was taken.
pub type Answers = Vec<Result<Taken, Refusal>>;

/// A way to the books, to be cloned at will.
#[derive(Clone)]
pub struct InvocationHandle {
    send: Arc<Send>,
    finished: broadcast::Sender<Arc<[Finished]>>,
}

impl InvocationHandle {
    /// `send` hands invocations to the books; finished ones come through `finished`.
    pub fn new(
        finished: broadcast::Sender<Arc<[Finished]>>,
        send: impl Fn(Vec<Observed>, oneshot::Sender<Answers>) -> Result<(), Ended> + core::marker::Send + Sync + 'static,
    ) -> Self {
        Self { send: Arc::new(send), finished }
    }

    /// Reports invocations; the answer has one entry for each.
    ///
    /// # Errors
    /// When the agent is stopping.
    pub async fn report(&self, observed: Vec<Observed>) -> Result<Answers, Ended> {
        let (reply, answer) = oneshot::channel();
        (self.send)(observed, reply)?;
        answer.await.map_err(|_| Ended)
    }

    /// What is finished from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<[Finished]>> {
        self.finished.subscribe()
    }
}

impl fmt::Debug for InvocationHandle {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("InvocationHandle").finish_non_exhaustive()
    }
}
