//! Where windows of activity come from: the kernel programs, or, where they cannot be loaded, nothing but the clock.

use std::sync::Arc;

use tracing::info;

use crate::activity::{ActivityWindow, HandedOut, Lifecycle, Topology, Tracker};
use crate::clock::Timestamp;
use crate::confine::Confinement;
use crate::kernel::{KernelCounts, KernelSide, LoadError, LoadOptions, RunTime, visit_every_cpu};
use crate::units::Nanoseconds;

use super::unnoticed_ends::UnnoticedEnds;

/// The first stage of the pipeline.
pub(super) enum ActivitySide {
    /// CPU time of every consumer.
    Kernel(Box<Counting>),
    /// Windows in which nobody is known to have run: zones are still measured, and their energy stays unattributed.
    Blind { topology: Arc<Topology>, from: Timestamp },
}

pub(super) struct Counting {
    side: KernelSide,
    tracker: Tracker,
    unnoticed_ends: UnnoticedEnds,
    first_events: Vec<Lifecycle>,
}

/// How the kernel side is doing.
#[derive(Clone, Copy, Debug)]
pub(super) struct KernelState {
    pub(super) counts: KernelCounts,
    pub(super) slots_used: usize,
    pub(super) run_time: Option<RunTime>,
}

impl ActivitySide {
    pub(super) fn start(
        topology: &Arc<Topology>,
        options: &LoadOptions,
        procfs: &std::path::Path,
        before: Option<&HandedOut>,
        confinement: &Arc<Confinement>,
    ) -> Result<Self, LoadError> {
        let side = KernelSide::load(topology, options)?;
        visit_every_cpu(topology, confinement);
        let mut unnoticed_ends = UnnoticedEnds::new(procfs, side.memory.counts().lost_events);
        let found = side.pinned.as_ref().is_some_and(|pinned| pinned.found);
        if let Some(before) = before.filter(|_| found) {
            let tracker = Tracker::resume(Arc::clone(topology), &side.memory, before);
            unnoticed_ends.suspect();
            info!(
                "the kernel's counters go on from {:.1} s ago: what ran meanwhile is of the first window",
                Timestamp::now().since(before.to()).seconds()
            );
            return Ok(Self::Kernel(Box::new(Counting { side, tracker, unnoticed_ends, first_events: Vec::new() })));
        }
        let tracker = Tracker::new(Arc::clone(topology), &side.memory, Timestamp::now());
        let mut counting = Counting { side, tracker, unnoticed_ends, first_events: Vec::new() };
        // What was counted since the programs were loaded is of no window; who it was is told with the first.
        let mut events = Vec::new();
        counting.close_window(Timestamp::now(), &mut events);
        counting.first_events = events;
        Ok(Self::Kernel(Box::new(counting)))
    }

    pub(super) fn blind(topology: &Arc<Topology>) -> Self {
        Self::Blind { topology: Arc::clone(topology), from: Timestamp::now() }
    }

    /// Empties the ring into `events`; long windows would let it overflow.
    pub(super) fn drain_events(&mut self, events: &mut Vec<Lifecycle>) {
        if let Self::Kernel(counting) = self {
            counting.side.events.drain(events);
        }
    }

    /// Ends the running window at `now`. `events` holds what was drained since the last one ended, and is completed.
    pub(super) fn close_window(&mut self, now: Timestamp, events: &mut Vec<Lifecycle>) -> ActivityWindow {
        match self {
            Self::Kernel(counting) => counting.close_window(now, events),
            Self::Blind { topology, from } => {
                let window = ActivityWindow {
                    from: *from,
                    to: now,
                    idle: vec![Nanoseconds::ZERO; topology.shards()],
                    topology: Arc::clone(topology),
                    ..ActivityWindow::default()
                };
                *from = now;
                window
            }
        }
    }

    /// The kernel side's counters, where they go on when the agent ends.
    pub(super) fn kept_counters(&self) -> Option<String> {
        match self {
            Self::Kernel(counting) => counting.side.pinned.as_ref().map(|pinned| pinned.name.clone()),
            Self::Blind { .. } => None,
        }
    }

    /// What was handed out of them: what has changed since this was asked last, or `whole`.
    pub(super) fn written(&mut self, whole: bool) -> HandedOut {
        match self {
            Self::Kernel(counting) => counting.tracker.written(whole),
            Self::Blind { .. } => HandedOut::default(),
        }
    }

    /// How the chosen way to watch switches is called; `none` without one.
    pub(super) fn attachment(&self) -> &'static str {
        match self {
            Self::Kernel(counting) => counting.side.attachment.label(),
            Self::Blind { .. } => "none",
        }
    }

    /// The machine's CPUs.
    pub(super) fn topology(&self) -> &Arc<Topology> {
        match self {
            Self::Kernel(counting) => counting.tracker.topology(),
            Self::Blind { topology, .. } => topology,
        }
    }

    /// How the kernel side is doing; `None` without one.
    pub(super) fn state(&self) -> Option<KernelState> {
        match self {
            Self::Kernel(counting) => Some(KernelState {
                counts: counting.side.memory.counts(),
                slots_used: counting.tracker.slots_used(),
                run_time: counting.side.cost.read(),
            }),
            Self::Blind { .. } => None,
        }
    }
}

impl Counting {
    fn close_window(&mut self, now: Timestamp, events: &mut Vec<Lifecycle>) -> ActivityWindow {
        events.append(&mut self.first_events);
        // Before the counters are read: whoever is told to have ended has been seen to run.
        self.side.events.drain(events);
        let window = self.tracker.close_window(now, &mut self.side.memory, events);
        self.unnoticed_ends.look(now, self.side.memory.counts().lost_events, &mut self.tracker);
        self.side.flush_diagnostics();
        window
    }
}
