//! What is written down at the end of a window.

use std::collections::VecDeque;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::activity::{ActivityWindow, CgroupId, ConsumerId, HandedOut, ShardId, Slice, Topology};
use crate::clock::Timestamp;
use crate::fuse::{MeterLearnt, MeterPosition};
use crate::invocation::TotalsRecord;
use crate::ledger::{Epoch, LedgerRecord};
use crate::units::Nanoseconds;

/// How many windows are kept for meters that have not told yet what was used in them.
const MOST_WINDOWS: usize = 256;

/// Everything that is to be gone on with, or what of it has changed in one window.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Record {
    /// Which boot of the machine (`/proc/sys/kernel/random/boot_id`): times, counters and most numbers are of that one only.
    pub boot: String,
    /// Which books these are.
    pub epoch: Epoch,
    /// The kernel side's counters that `handed_out` is of; none where they end with the agent.
    pub counters: Option<String>,
    /// The books.
    pub ledger: LedgerRecord,
    /// What functions have used their energy for.
    pub totals: TotalsRecord,
    /// What was handed out of the kernel side's counters.
    pub handed_out: HandedOut,
    /// Up to where each meter is booked.
    pub meters: Vec<MeterPosition>,
    /// What each meter has shown; nothing where that was not written this time.
    pub learnt: Vec<MeterLearnt>,
    /// Windows of activity that some meter has not been booked for, the oldest first.
    pub windows: VecDeque<WindowRecord>,
    /// Groups of cgroup v1 hierarchies, by the numbers that stand for them.
    pub v1_groups: Vec<(CgroupId, String)>,
}

impl Record {
    /// Reads a record as it is in a file, without its length and checksum; `None` where the bytes are none.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        postcard::from_bytes(bytes).ok()
    }

    /// Takes over what has changed since. Nothing of another boot does.
    pub fn follow(&mut self, later: Self) {
        let Self { boot, epoch, counters, ledger, totals, handed_out, meters, learnt, windows, v1_groups } = later;
        (self.boot, self.epoch) = (boot, epoch);
        (self.counters, self.meters) = (counters, meters);
        self.v1_groups.extend(v1_groups);
        if !learnt.is_empty() {
            self.learnt = learnt;
        }
        self.ledger.follow(ledger);
        self.totals.follow(totals);
        self.handed_out.follow(handed_out);
        self.windows.extend(windows);
        self.forget_windows();
    }

    /// Drops the windows that no meter needs any more.
    pub fn forget_windows(&mut self) {
        let needed = self.meters.iter().map(MeterPosition::needs_windows_after).min();
        let too_many = self.windows.len().saturating_sub(MOST_WINDOWS);
        self.windows.drain(..too_many);
        match needed {
            Some(needed) => self.windows.retain(|window| window.to > needed),
            None => self.windows.clear(),
        }
    }

    /// What is left of it after the machine has started anew: what functions and zones have used.
    pub fn outlive_boot(&mut self) {
        self.ledger.outlive_boot();
        (self.counters, self.handed_out) = (None, HandedOut::default());
        self.meters.clear();
        self.learnt.clear();
        self.windows.clear();
        self.v1_groups.clear();
    }
}

/// A window of activity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WindowRecord {
    from: Timestamp,
    to: Timestamp,
    slices: Vec<(ConsumerId, ShardId, Nanoseconds)>,
    idle: Vec<Nanoseconds>,
}

impl WindowRecord {
    /// Who ran, and for how long.
    pub fn of(window: &ActivityWindow) -> Self {
        let slices = window.slices.iter().map(|slice| (slice.consumer, slice.shard, slice.cpu_time)).collect();
        Self { from: window.from, to: window.to, slices, idle: window.idle.clone() }
    }

    /// The window; `None` where the machine has other CPUs now.
    pub fn window(&self, topology: &Arc<Topology>) -> Option<ActivityWindow> {
        let Self { from, to, slices, idle } = self;
        let fits =
            idle.len() == topology.shards() && slices.iter().all(|(_, shard, _)| usize::from(shard.0) < idle.len());
        fits.then(|| ActivityWindow {
            from: *from,
            to: *to,
            slices: slices.iter().map(|&(consumer, shard, cpu_time)| Slice { consumer, shard, cpu_time }).collect(),
            idle: idle.clone(),
            topology: Arc::clone(topology),
            ..ActivityWindow::default()
        })
    }
}
