//! Ends of processes that the kernel side could not tell of, because its ring was full.

use std::path::Path;

use crate::activity::Tracker;
use crate::clock::Timestamp;
use crate::identity::LivingProcesses;
use crate::notice::Notice;
use crate::units::Nanoseconds;

/// How often all processes are looked at after a loss. Twice: one that is just ending may be seen alive.
const LOOKS: u32 = 2;
/// The time between two looks, each of which reads a file for every process.
const PAUSE: Nanoseconds = Nanoseconds::SECOND;

static EVENTS_LOST: Notice = Notice::new("kernel_events_lost");
static CANNOT_LOOK: Notice = Notice::new("process_ends_unknown");

/// Looks for processes that have ended unnoticed.
pub(super) struct UnnoticedEnds {
    processes: LivingProcesses,
    lost: u64,
    looks: u32,
    next: Timestamp,
}

impl UnnoticedEnds {
    /// `lost` is how many events the ring had no room for before.
    pub(super) fn new(procfs: &Path, lost: u64) -> Self {
        Self { processes: LivingProcesses::open(procfs), lost, looks: 0, next: Timestamp::default() }
    }

    /// Ends may have gone unnoticed before now.
    pub(super) fn suspect(&mut self) {
        self.looks = LOOKS;
    }

    /// To be called when a window was closed at `now`, so that the tracker knows everybody who ran. `lost` is how many
    /// events the ring had no room for so far.
    pub(super) fn look(&mut self, now: Timestamp, lost: u64, tracker: &mut Tracker) {
        let newly = lost - std::mem::replace(&mut self.lost, lost);
        if newly > 0 {
            EVENTS_LOST.warn(format_args!(
                "the kernel side's ring was full: {newly} events are lost, so that names come late or not at all; no time \
                 is. Was the agent kept from running? It empties the ring every 100 ms"
            ));
            self.looks = LOOKS;
        }
        if self.looks == 0 || now < self.next {
            return;
        }
        self.looks -= 1;
        self.next = now + PAUSE;
        if !self.processes.tells_of_all() {
            CANNOT_LOOK.warn(
                "events were lost, and /proc does not tell which processes have ended: those keep their slots. Run the \
                 agent in the host's pid namespace (hostPID: true), or grant CAP_SYS_PTRACE where processes are hidden",
            );
            return;
        }
        let gone: Vec<_> =
            tracker.living().filter(|consumer| !self.processes.may_run(consumer.pid, consumer.start)).collect();
        for consumer in gone {
            tracker.process_gone(consumer.pid, consumer.start, now);
        }
    }
}
