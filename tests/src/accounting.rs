//! The kernel side and its tracker, as the pipeline has them.

use std::path::Path;
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::Result;
use prony::activity::{ActivityWindow, Lifecycle, Topology, Tracker, read_topology};
use prony::clock::Timestamp;
use prony::confine::Confinement;
use prony::kernel::{Attachment, KernelSide, LoadOptions, visit_every_cpu};

/// Counts who runs on this machine until it is dropped.
pub struct Accounting {
    /// The programs.
    pub side: KernelSide,
    /// Their counters' windows.
    pub tracker: Tracker,
    /// The machine.
    pub topology: Arc<Topology>,
    events: Vec<Lifecycle>,
}

impl Accounting {
    /// With the programs attached in one way.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn start(attachment: Attachment) -> Result<Self> {
        Self::load(&LoadOptions { attachments: vec![attachment], ..LoadOptions::default() })
    }

    /// Loads the programs and begins the first window.
    ///
    /// # Errors
    /// When the kernel does not take them.
    pub fn load(options: &LoadOptions) -> Result<Self> {
        let topology = Arc::new(read_topology(Path::new("/sys"))?);
        let side = KernelSide::load(&topology, options)?;
        visit_every_cpu(&topology, &Confinement::none());
        sleep(Duration::from_millis(100));
        let tracker = Tracker::new(Arc::clone(&topology), &side.memory, Timestamp::now());
        let mut accounting = Self { side, tracker, topology, events: Vec::new() };
        // What was counted before the first window belongs to no window.
        accounting.close();
        Ok(accounting)
    }

    /// Ends the running window.
    pub fn close(&mut self) -> ActivityWindow {
        self.events.clear();
        self.side.events.drain(&mut self.events);
        self.tracker.close_window(Timestamp::now(), &mut self.side.memory, &mut self.events)
    }

    /// Windows of `length` for `whole`.
    pub fn watch(&mut self, whole: Duration, length: Duration) -> Vec<ActivityWindow> {
        let end = Instant::now() + whole;
        let mut windows = Vec::new();
        while Instant::now() < end {
            sleep(length);
            windows.push(self.close());
        }
        windows
    }
}
