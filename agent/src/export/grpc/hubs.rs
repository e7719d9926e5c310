//! All hubs of the server: made with their first subscriber, ended with their last.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio_stream::Stream;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use crate::snapshot::Stopped;
use crate::telemetry;

use super::codec::Frame;
use super::hub::{Hub, Wish};
use super::pictures::Pictures;

/// How many different wishes are followed at once.
pub(super) const MAX_WISHES: usize = 32;
/// How many subscribers there may be.
pub(super) const MAX_SUBSCRIBERS: usize = 1_024;

/// All hubs of a server.
#[derive(Debug)]
pub(super) struct Hubs {
    pictures: Pictures,
    backlog: usize,
    shutdown: CancellationToken,
    followed: Mutex<HashMap<Wish, Followed>>,
}

#[derive(Debug)]
struct Followed {
    hub: Arc<Hub>,
    subscribers: usize,
}

/// A place among a hub's subscribers, given up on drop.
struct Seat {
    hubs: Arc<Hubs>,
    hub: Arc<Hub>,
    wish: Wish,
}

impl Hubs {
    /// `backlog` is how many messages a subscriber may lag behind; `shutdown` ends all hubs.
    pub(super) fn new(pictures: Pictures, backlog: usize, shutdown: CancellationToken) -> Self {
        Self { pictures, backlog, shutdown, followed: Mutex::default() }
    }

    /// The messages for one more subscriber.
    pub(super) async fn subscribe(
        self: &Arc<Self>,
        wish: Wish,
    ) -> Result<impl Stream<Item = Result<Frame, Status>> + Send + use<>, Status> {
        let seat = self.take_seat(wish)?;
        let joined = seat.hub.join(None).await.map_err(stopping)?;
        Ok(frames(seat, joined.whole, joined.messages))
    }

    fn take_seat(self: &Arc<Self>, wish: Wish) -> Result<Seat, Status> {
        let mut followed = self.followed();
        let subscribers: usize = followed.values().map(|entry| entry.subscribers).sum();
        if subscribers >= MAX_SUBSCRIBERS {
            return Err(Status::resource_exhausted(format!(
                "this agent serves at most {MAX_SUBSCRIBERS} subscribers at once: end one, or put a relay between"
            )));
        }
        if !followed.contains_key(&wish) && followed.len() >= MAX_WISHES {
            return Err(Status::resource_exhausted(format!(
                "this agent follows at most {MAX_WISHES} different requests at once: end one, or subscribe with the \
                 granularity, filter and resolution of another subscriber"
            )));
        }
        let entry = followed.entry(wish.clone()).or_insert_with(|| {
            let stopped = self.shutdown.child_token();
            let hub = Arc::new(Hub::new(wish.clone(), self.pictures.clone(), self.backlog, stopped));
            tokio::spawn(Arc::clone(&hub).run());
            Followed { hub, subscribers: 0 }
        });
        entry.subscribers += 1;
        metrics::gauge!(telemetry::GRPC_SUBSCRIBERS.name).increment(1.0);
        Ok(Seat { hubs: Arc::clone(self), hub: Arc::clone(&entry.hub), wish })
    }

    /// How many wishes are followed now.
    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.followed().len()
    }

    fn followed(&self) -> MutexGuard<'_, HashMap<Wish, Followed>> {
        self.followed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        metrics::gauge!(telemetry::GRPC_SUBSCRIBERS.name).decrement(1.0);
        let mut followed = self.hubs.followed();
        if let Some(entry) = followed.get_mut(&self.wish) {
            entry.subscribers -= 1;
            if entry.subscribers == 0 {
                followed.remove(&self.wish);
                self.hub.stopped().cancel();
            }
        }
    }
}

fn frames(
    seat: Seat,
    whole: Bytes,
    mut messages: broadcast::Receiver<Bytes>,
) -> impl Stream<Item = Result<Frame, Status>> + Send {
    let told = metrics::counter!(telemetry::GRPC_MESSAGES.name);
    let lost = metrics::counter!(telemetry::GRPC_MISSED.name);
    async_stream::stream! {
        told.increment(1);
        yield Ok(Frame { missed: 0, body: whole });
        loop {
            let received = tokio::select! {
                biased;
                () = seat.hub.stopped().cancelled() => break,
                received = messages.recv() => received,
            };
            let frame = match received {
                Ok(body) => Frame { missed: 0, body },
                Err(RecvError::Lagged(dropped)) => match seat.hub.join(Some(messages)).await {
                    Ok(joined) => {
                        messages = joined.messages;
                        let missed = dropped + joined.unread;
                        lost.increment(missed);
                        Frame { missed, body: joined.whole }
                    }
                    Err(Stopped) => break,
                },
                Err(RecvError::Closed) => break,
            };
            told.increment(1);
            yield Ok(frame);
        }
        yield Err(stopping(Stopped));
    }
}

/// What a client is told when the agent ends.
pub(super) fn stopping(stopped: Stopped) -> Status {
    Status::unavailable(stopped.to_string())
}
