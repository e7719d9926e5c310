//! The books as this exporter may show them.

use std::sync::Arc;

use crate::snapshot::{Generation, Snapshot, SnapshotHandle, Stopped};

use super::pace::{Pace, Stride};

/// A way to the books that is held to the finest resolution that may be given.
#[derive(Clone, Debug)]
pub(super) struct Pictures {
    handle: SnapshotHandle,
    pace: Pace,
    epoch: u64,
}

impl Pictures {
    /// `epoch` is what tells these books from those before a restart.
    pub(super) fn new(handle: SnapshotHandle, pace: Pace, epoch: u64) -> Self {
        Self { handle, pace, epoch }
    }

    /// What tells these books from those before a restart.
    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// What resolutions can be had.
    pub(super) fn pace(&self) -> Pace {
        self.pace
    }

    /// The whole books, at a moment when they may be shown.
    pub(super) async fn whole(&self) -> Result<Arc<Snapshot>, Stopped> {
        if self.pace.is_held() {
            let mut follower = self.follow();
            let now = follower.handle.window_closed().await?;
            follower.until_due(now, self.pace.finest()).await?;
        }
        self.handle.whole().await
    }

    /// The whole books, at a moment when they are being shown anyway.
    pub(super) async fn whole_at_once(&self) -> Result<Arc<Snapshot>, Stopped> {
        self.handle.whole().await
    }

    /// What has changed after the window `since`, at a moment when the books are being shown anyway.
    pub(super) async fn changed(&self, since: Generation) -> Result<Arc<Snapshot>, Stopped> {
        self.handle.changed(since).await
    }

    /// Waits for windows on behalf of one hub.
    pub(super) fn follow(&self) -> Follower {
        Follower { handle: self.handle.clone() }
    }
}

/// Waits for windows.
#[derive(Debug)]
pub(super) struct Follower {
    handle: SnapshotHandle,
}

impl Follower {
    /// Waits until a message is due, when the one before was at window `told`.
    pub(super) async fn until_due(&mut self, told: Generation, stride: Stride) -> Result<(), Stopped> {
        while !stride.due(told, self.handle.window_closed().await?) {}
        Ok(())
    }
}
