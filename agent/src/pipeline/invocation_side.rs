//! Invocations: what is seen and reported of them goes in, those whose energy is known come out.

use std::sync::Arc;

use tokio::sync::broadcast;

use crate::activity::{ActivityWindow, Lifecycle};
use crate::attribute::Attribution;
use crate::clock::{Timestamp, WallAnchor};
use crate::config::InvocationConfig;
use crate::fuse::join;
use crate::identity::Names;
use crate::invocation::{BookOptions, Finished, InvocationBook, Observed, Refusal, Taken};
use crate::units::Nanoseconds;

/// How much further back than reports may come the history goes: a slow meter's energy comes late too.
const MORE_HISTORY: Nanoseconds = Nanoseconds(25 * Nanoseconds::SECOND.0);

/// The books of invocations, and the ticks of the window that is running.
pub(super) struct InvocationSide {
    pub(super) book: InvocationBook,
    ticks: Vec<ActivityWindow>,
    finished: broadcast::Sender<Arc<[Finished]>>,
}

impl InvocationSide {
    /// Tells of finished invocations through `finished`.
    pub(super) fn new(config: &InvocationConfig, finished: broadcast::Sender<Arc<[Finished]>>) -> Self {
        let lateness = Nanoseconds::from(config.lateness);
        let options = BookOptions {
            fork_servers: config.fork_servers.split_whitespace().map(str::to_owned).collect(),
            history: lateness + MORE_HISTORY,
            lateness,
            began: Timestamp::now(),
            suspended: Timestamp::suspended(),
        };
        Self { book: InvocationBook::new(options), ticks: Vec::new(), finished }
    }

    /// A part of the running window.
    pub(super) fn tick(&mut self, tick: ActivityWindow) {
        self.ticks.push(tick);
    }

    /// The whole window, when its last tick was added.
    pub(super) fn window(&self) -> ActivityWindow {
        join(&self.ticks).unwrap_or_default()
    }

    /// Takes in the window, once its names are known.
    pub(super) fn record(&mut self, events: &[Lifecycle], names: &Names) {
        self.book.set_suspended(Timestamp::suspended());
        self.book.record(&self.ticks, events, names);
        self.ticks.clear();
    }

    /// Takes in a zone's energy.
    pub(super) fn charge(&mut self, zone: usize, attribution: &Attribution, names: &Names) {
        self.book.charge(zone, attribution, names);
    }

    /// Takes in an invocation, and counts it where it is refused.
    pub(super) fn observe(&mut self, observed: Observed, now: Timestamp) -> Result<Taken, Refusal> {
        self.book.observe(observed, now).inspect_err(|refusal| refusal.count())
    }

    /// Settles what can be, and tells of the invocations that are finished.
    pub(super) fn settle(&mut self, now: Timestamp, names: &Names, anchor: WallAnchor) {
        let finished = self.book.settle(now, names, anchor);
        if !finished.is_empty() {
            // Nobody may be listening.
            let _ = self.finished.send(finished.into());
        }
    }
}
