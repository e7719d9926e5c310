//! The task that follows the books for the page.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::invocation::InvocationHandle;
use crate::notice::Notice;
use crate::snapshot::{SnapshotHandle, Stopped};
use crate::state::Segments;

use super::about::Machine;
use super::differences::{ALL_LINES, Differences, Taken};
use super::frame::Frame;
use super::history::{Ended, HOURS_KEPT, History, MINUTES_KEPT};
use super::latest_invocations::LatestInvocations;
use super::own_cost::OwnCost;

const STEP: Duration = Duration::from_secs(1);

/// How often lines are forgotten that have gone.
const FORGET_EVERY: Duration = Duration::from_mins(1);

/// Files of the seconds of one minute, and of the minutes of one hour.
const MINUTES: &str = "minute";
const HOURS: &str = "hour";

static UNWRITABLE: Notice = Notice::new("history_unwritable");

/// What the page shows beside the books.
#[derive(Clone, Debug)]
pub struct Page {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// Another one whenever the numbers of frames begin anew.
    epoch: String,
    history: Mutex<History>,
    /// The number of the latest frame.
    latest: watch::Sender<u64>,
    invocations: Mutex<LatestInvocations>,
    cost: Mutex<OwnCost>,
    machine: Mutex<Machine>,
}

/// What the page is made from.
#[derive(Debug)]
pub struct PageOptions {
    /// The way to the books.
    pub snapshots: SnapshotHandle,
    /// The way to the invocations.
    pub invocations: InvocationHandle,
    /// Where the history is kept over restarts.
    pub kept: Option<Segments>,
    /// What tells this run from others.
    pub epoch: u64,
}

impl Page {
    /// Goes on with the history that was kept, and follows the books until they end or `shutdown` is cancelled. The future
    /// does the following.
    pub fn follow(
        options: PageOptions,
        shutdown: CancellationToken,
    ) -> (Self, impl Future<Output = anyhow::Result<()>>) {
        let PageOptions { snapshots, invocations, kept, epoch } = options;
        let history = kept.as_ref().map(read).unwrap_or_default();
        let shared = Arc::new(Shared {
            epoch: format!("{epoch:x}"),
            latest: watch::Sender::new(history.sequence()),
            history: Mutex::new(history),
            invocations: Mutex::new(LatestInvocations::new()),
            cost: Mutex::default(),
            machine: Mutex::default(),
        });
        let page = Self { shared };
        let follower = Follower { page: page.clone(), kept: kept.map(Arc::new) };
        let following = async move {
            tokio::select! {
                () = shutdown.cancelled() => {}
                Err(Stopped) = follower.follow_books(snapshots) => {}
                () = follower.follow_invocations(invocations) => {}
            }
            let running = follower.page.history().so_far();
            follower.keep(running).await;
            Ok(())
        };
        (page, following)
    }

    pub(super) fn epoch(&self) -> &str {
        &self.shared.epoch
    }

    pub(super) fn history(&self) -> MutexGuard<'_, History> {
        locked(&self.shared.history)
    }

    /// Changes with each frame.
    pub(super) fn latest(&self) -> watch::Receiver<u64> {
        self.shared.latest.subscribe()
    }

    pub(super) fn invocations(&self) -> MutexGuard<'_, LatestInvocations> {
        locked(&self.shared.invocations)
    }

    pub(super) fn cost(&self) -> MutexGuard<'_, OwnCost> {
        locked(&self.shared.cost)
    }

    pub(super) fn machine(&self) -> MutexGuard<'_, Machine> {
        locked(&self.shared.machine)
    }
}

fn locked<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Follower {
    page: Page,
    kept: Option<Arc<Segments>>,
}

impl Follower {
    async fn follow_books(&self, books: SnapshotHandle) -> Result<std::convert::Infallible, Stopped> {
        let mut tick = interval(STEP);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut differences, mut since): (Option<Differences>, _) = (None, ALL_LINES);
        let mut forget_at = Instant::now() + FORGET_EVERY;
        loop {
            tick.tick().await;
            let picture = books.changed(since).await?;
            let headline = differences.as_ref().map(Differences::headline);
            self.page.cost().take(&picture, headline);
            *self.page.machine() = Machine::of(&picture, headline);
            match &mut differences {
                Some(known) if !known.is_outdated_by(&picture) => {
                    since = picture.generation;
                    if let Taken::Frame(frame) = known.take(&picture) {
                        self.add(*frame).await;
                    }
                    if Instant::now() >= forget_at {
                        // What has changed since the picture before is told again in the next one.
                        known.forget_all_but(&*books.changed(ALL_LINES).await?);
                        forget_at = Instant::now() + FORGET_EVERY;
                    }
                }
                _ => {
                    let all = if since == ALL_LINES { picture } else { books.changed(ALL_LINES).await? };
                    since = all.generation;
                    differences = Differences::new(&all);
                    if differences.is_none() {
                        since = ALL_LINES;
                    }
                }
            }
        }
    }

    async fn follow_invocations(&self, invocations: InvocationHandle) {
        let mut finished = invocations.subscribe();
        loop {
            match finished.recv().await {
                Ok(finished) => self.page.invocations().take(&finished),
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return std::future::pending().await,
            }
        }
    }

    async fn add(&self, frame: Frame) {
        let (ended, sequence) = {
            let mut history = self.page.history();
            (history.add(frame), history.sequence())
        };
        self.page.shared.latest.send_replace(sequence);
        self.keep(ended).await;
    }

    async fn keep(&self, ended: Ended) {
        let Some(kept) = self.kept.clone() else { return };
        let write = move || -> io::Result<()> {
            for (series, pack, count) in [(MINUTES, ended.minute, MINUTES_KEPT), (HOURS, ended.hour, HOURS_KEPT)] {
                if let Some(pack) = pack {
                    kept.write(series, pack.number, &pack.bytes(), pack.number.saturating_sub(count))?;
                }
            }
            Ok(())
        };
        let written = tokio::task::spawn_blocking(write).await.map_err(io::Error::other).flatten();
        if let Err(error) = written {
            UNWRITABLE.warn(format_args!(
                "the page's history cannot be written to the state directory ({error}): it will have a gap after a restart (is \
                 the disk full, or read-only?)"
            ));
        }
    }
}

fn read(kept: &Segments) -> History {
    let now = std::time::UNIX_EPOCH.elapsed().unwrap_or_default().as_secs() / 60;
    let minutes = kept.read(MINUTES, now.saturating_sub(MINUTES_KEPT));
    let both = minutes.and_then(|minutes| Ok((minutes, kept.read(HOURS, (now / 60).saturating_sub(HOURS_KEPT))?)));
    match both {
        Ok((minutes, hours)) => {
            if !minutes.is_empty() {
                info!("the page's history goes on: {} minutes of the last hour are there", minutes.len());
            }
            History::resume(minutes, hours)
        }
        Err(error) => {
            UNWRITABLE.warn(format_args!("the page's history cannot be read ({error}): it begins anew"));
            History::default()
        }
    }
}
