//! Writes down what the next agent goes on with, window by window.

use std::collections::VecDeque;
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;

use tracing::{info, warn};

use crate::clock::{Timestamp, WallAnchor};
use crate::confine::Confinement;
use crate::ledger::Epoch;
use crate::notice::Notice;
use crate::state::{OpenError, Record, StateFolder, WindowRecord};
use crate::units::Nanoseconds;

/// A file is begun anew when so many bytes were appended to it, or eight times as many as it began with, whichever is more.
const LEAST_APPENDED: usize = 4 << 20;
const APPENDED_TIMES: usize = 8;

/// How long after it was written last it is written what was learned, which is much: at first, and at most, when it changes
/// slowly. Each time half as long again.
const LEARNT_AFTER: RangeInclusive<Nanoseconds> = Nanoseconds(500_000_000)..=Nanoseconds(30 * Nanoseconds::SECOND.0);

/// How long after the disk has refused something it is tried again.
const TRY_AGAIN: Nanoseconds = Nanoseconds(10 * Nanoseconds::SECOND.0);

static UNWRITABLE: Notice = Notice::new("state_unwritable");

/// The books as they are kept in a folder.
pub(super) struct StateKeeper {
    folder: StateFolder,
    boot: String,
    epoch: Epoch,
    counters: Option<String>,
    /// Windows that some meter has not been booked for.
    windows: VecDeque<WindowRecord>,
    begun: usize,
    appended: usize,
    /// From when on everything is written; nothing is before, where the disk has refused something.
    everything_from: Option<Timestamp>,
    learnt_written: Timestamp,
    learnt_after: Nanoseconds,
}

impl StateKeeper {
    /// Keeps these books in `folder`, on this boot of the machine, that are of these counters of the kernel side.
    pub(super) fn new(folder: StateFolder, boot: String, epoch: Epoch, counters: Option<String>) -> Self {
        info!("the books are kept in {}", folder.path().display());
        Self {
            folder,
            boot,
            epoch,
            counters,
            windows: VecDeque::new(),
            begun: 0,
            appended: 0,
            everything_from: Some(Timestamp::default()),
            learnt_written: Timestamp::default(),
            learnt_after: *LEARNT_AFTER.start(),
        }
    }

    /// Whether the next record has to hold everything; `None` where none is wanted.
    pub(super) fn wants_everything(&self, now: Timestamp) -> Option<bool> {
        match self.everything_from {
            Some(from) => (now >= from).then_some(true),
            None => Some(self.appended > LEAST_APPENDED.max(APPENDED_TIMES * self.begun)),
        }
    }

    /// Whether the next record is to hold what was learned too.
    pub(super) fn wants_learnt(&mut self, everything: bool, now: Timestamp) -> bool {
        let wanted = everything || now.since(self.learnt_written) >= self.learnt_after;
        if wanted {
            self.learnt_written = now;
            self.learnt_after = Nanoseconds(self.learnt_after.0 * 3 / 2).min(*LEARNT_AFTER.end());
        }
        wanted
    }

    /// Writes a record, of everything or of what has changed, as of `now`, and of a window that was closed.
    pub(super) fn write(&mut self, mut record: Record, window: Option<WindowRecord>, everything: bool, now: Timestamp) {
        record.epoch = self.epoch;
        record.boot.clone_from(&self.boot);
        record.counters.clone_from(&self.counters);
        self.windows.extend(window);
        record.windows = std::mem::take(&mut self.windows);
        record.forget_windows();
        self.windows.clone_from(&record.windows);
        if !everything {
            // Those before are written already.
            record.windows = record.windows.pop_back().into_iter().collect();
        }
        let written = if everything { self.begin(&record) } else { self.append(&record) };
        match written {
            Ok(()) => self.everything_from = None,
            Err(error) => {
                self.everything_from = Some(now + TRY_AGAIN);
                UNWRITABLE.warn(format_args!(
                    "the books cannot be written to {} ({error}): what is counted from now on is lost if the agent ends before \
                     that is mended (is the disk full, or read-only?)",
                    self.folder.path().display()
                ));
            }
        }
    }

    /// Waits until what was written last is on the disk.
    pub(super) fn end(self) {
        if let Err(error) = self.folder.sync() {
            UNWRITABLE.warn(format_args!(
                "the books in {} may not be on the disk ({error}): a loss of power now loses them",
                self.folder.path().display()
            ));
        }
    }

    fn begin(&mut self, record: &Record) -> std::io::Result<()> {
        self.begun = self.folder.begin(record)?;
        self.appended = 0;
        self.folder.sync_later();
        Ok(())
    }

    fn append(&mut self, record: &Record) -> std::io::Result<()> {
        self.appended += self.folder.append(record)?.unwrap_or(0);
        Ok(())
    }
}

/// The folder that the books are kept in, and what an earlier agent has left there.
pub(super) struct State {
    pub(super) folder: StateFolder,
    pub(super) boot: String,
    pub(super) record: Option<Record>,
}

impl State {
    /// Takes the folder at `path`. Of what was left there stays what holds on this boot of the machine.
    pub(super) fn open(path: &Path, procfs: &Path, confinement: &Arc<Confinement>) -> Result<Self, OpenError> {
        let (folder, record) = StateFolder::open(path, confinement)?;
        let boot = boot_id(procfs);
        let record = record.map(|record| of_this_boot(record, &boot));
        Ok(Self { folder, boot, record })
    }

    /// Which books these are: the earlier agent's, where nothing of them has begun anew.
    pub(super) fn epoch(&self) -> Option<Epoch> {
        self.record.as_ref().filter(|record| record.boot == self.boot).map(|record| record.epoch)
    }
}

/// One that no books had before.
pub(super) fn new_epoch() -> Epoch {
    Epoch(WallAnchor::take().unix(Timestamp::now()).0)
}

fn of_this_boot(mut record: Record, boot: &str) -> Record {
    if record.boot != boot {
        info!(
            "the machine has started anew since the books were written: totals of zones and functions go on, all others are in the \
             lines `other`, and what was used in between is not known"
        );
        record.outlive_boot();
    }
    record
}

/// Which boot of the machine this is; empty where that is not told, so that it is no other one either.
fn boot_id(procfs: &Path) -> String {
    let path = procfs.join("sys/kernel/random/boot_id");
    match std::fs::read_to_string(&path) {
        Ok(id) => id.trim().to_owned(),
        Err(error) => {
            warn!("{} cannot be read ({error}): whether the machine has started anew cannot be told", path.display());
            String::new()
        }
    }
}
