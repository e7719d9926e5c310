//! One wish, followed once and told to all that have it.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{Mutex, broadcast};
use tokio_util::sync::CancellationToken;

use crate::snapshot::{Generation, Stopped};

use super::pace::Stride;
use super::pictures::Pictures;
use super::selection::Selection;
use super::table::Table;

/// What a hub follows; equal wishes share a hub.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Wish {
    pub(super) selection: Selection,
    pub(super) stride: Stride,
}

/// Follows the books for one wish and encodes each message once.
#[derive(Debug)]
pub(super) struct Hub {
    wish: Wish,
    pictures: Pictures,
    /// Made by the first who joins. Messages are sent under this lock, so that who joins misses none and gets none twice.
    table: Mutex<Option<Table>>,
    messages: broadcast::Sender<Bytes>,
    stopped: CancellationToken,
}

/// Where a subscriber stands: a whole picture, and every message after it.
pub(super) struct Joined {
    /// The whole picture.
    pub(super) whole: Bytes,
    /// The messages that follow it.
    pub(super) messages: broadcast::Receiver<Bytes>,
    /// How many messages lay unread in the receiver that this one takes the place of.
    pub(super) unread: u64,
}

impl Hub {
    /// `backlog` is how many messages a subscriber may lag behind. `stopped` ends it.
    pub(super) fn new(wish: Wish, pictures: Pictures, backlog: usize, stopped: CancellationToken) -> Self {
        let messages = broadcast::Sender::new(backlog.clamp(1, 1024));
        Self { wish, pictures, table: Mutex::new(None), messages, stopped }
    }

    /// Becomes true when the hub has ended and no further message comes.
    pub(super) fn stopped(&self) -> &CancellationToken {
        &self.stopped
    }

    /// A whole picture and what follows it; in place of `earlier`, where a subscriber has lost its thread.
    pub(super) async fn join(&self, earlier: Option<broadcast::Receiver<Bytes>>) -> Result<Joined, Stopped> {
        let mut slot = self.table.lock().await;
        let table = self.open(&mut slot).await?;
        Ok(Joined {
            whole: table.whole(self.pictures.pace().resolution(self.wish.stride)),
            messages: self.messages.subscribe(),
            unread: earlier.map_or(0, |receiver| receiver.len() as u64),
        })
    }

    /// Follows the books until the hub is stopped or the agent ends.
    pub(super) async fn run(self: Arc<Self>) {
        if let Some(Err(Stopped)) = self.stopped.run_until_cancelled(self.follow()).await {
            self.stopped.cancel();
        }
    }

    async fn follow(&self) -> Result<Infallible, Stopped> {
        let mut follower = self.pictures.follow();
        let mut told = self.open(&mut *self.table.lock().await).await?.generation();
        loop {
            follower.until_due(told, self.wish.stride).await?;
            told = self.tell().await?;
        }
    }

    async fn open<'a>(&self, slot: &'a mut Option<Table>) -> Result<&'a mut Table, Stopped> {
        if slot.is_none() {
            let whole = self.pictures.whole().await?;
            *slot = Some(Table::new(self.wish.selection.clone(), self.pictures.epoch(), whole));
        }
        slot.as_mut().ok_or(Stopped)
    }

    /// Brings the table and all subscribers up to date.
    async fn tell(&self) -> Result<Generation, Stopped> {
        let mut slot = self.table.lock().await;
        let table = self.open(&mut slot).await?;
        let mut picture = self.pictures.changed(table.generation()).await?;
        let message = if table.is_outdated_by(&picture) {
            picture = self.pictures.whole_at_once().await?;
            *table = Table::new(self.wish.selection.clone(), self.pictures.epoch(), picture);
            table.whole(self.pictures.pace().resolution(self.wish.stride))
        } else {
            if table.wants_whole(&picture) {
                picture = self.pictures.whole_at_once().await?;
            }
            let changed = table.apply(picture);
            table.change(changed)
        };
        // Without a subscriber there is nobody to be told, which is no error.
        let _ = self.messages.send(message);
        Ok(table.generation())
    }
}
