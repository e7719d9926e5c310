//! The books as this exporter may show them.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;

use crate::snapshot::{Generation, Snapshot, SnapshotHandle, Stopped};

/// A way to the books; where they are held, they change only so often.
#[derive(Clone, Debug)]
pub(in crate::export) struct Books {
    handle: SnapshotHandle,
    held: Option<Held>,
}

#[derive(Clone, Debug)]
struct Held {
    shown_for: Duration,
    shown: Arc<Mutex<Option<Arc<Snapshot>>>>,
}

impl Books {
    /// A picture is shown again for as long as `held`, where that is given.
    pub(super) fn new(handle: SnapshotHandle, held: Option<Duration>) -> Self {
        let held = held.map(|shown_for| Held { shown_for, shown: Arc::default() });
        Self { handle, held }
    }

    /// The whole books.
    pub(in crate::export) async fn whole(&self) -> Result<Arc<Snapshot>, Stopped> {
        let Some(Held { shown_for, shown }) = &self.held else { return self.handle.whole().await };
        let mut slot = shown.lock().await;
        if let Some(earlier) = &*slot {
            return Ok(Arc::clone(earlier));
        }
        let whole = self.handle.whole().await?;
        *slot = Some(Arc::clone(&whole));
        let (shown, shown_for) = (Arc::clone(shown), *shown_for);
        tokio::spawn(async move {
            tokio::time::sleep(shown_for).await;
            shown.lock().await.take();
        });
        Ok(whole)
    }

    /// Whether whoever keeps the books answers: asks for a picture without any line, what has changed after the end of all
    /// windows.
    pub(super) async fn are_kept(&self) -> Result<(), Stopped> {
        self.handle.changed(Generation(u64::MAX)).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::watch;

    use super::*;
    use crate::export::prometheus::sample_books;

    #[tokio::test]
    async fn where_they_are_held_they_are_asked_for_only_so_often() {
        let hold = Duration::from_millis(200);
        for (held, after_two, after_a_while) in [(None, 2, 3), (Some(hold), 1, 2)] {
            let asked = Arc::new(AtomicUsize::new(0));
            let count = Arc::clone(&asked);
            let (_windows, closed) = watch::channel(Generation::default());
            let handle = SnapshotHandle::new(closed, move |request| {
                count.fetch_add(1, Ordering::Relaxed);
                let _ = request.reply.send(Arc::new(sample_books::empty()));
                Ok(())
            });
            let books = Books::new(handle, held);
            books.whole().await.unwrap();
            books.whole().await.unwrap();
            assert_eq!(asked.load(Ordering::Relaxed), after_two);
            tokio::time::sleep(hold * 2).await;
            books.whole().await.unwrap();
            assert_eq!(asked.load(Ordering::Relaxed), after_a_while);
        }
    }
}
