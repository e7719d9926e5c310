//! How busy the machine and each of its packages was in a window.

use serde::{Deserialize, Serialize};

use crate::activity::{ActivityWindow, ShardId};

/// CPU time, in nanoseconds, as reals: it is a weight and gets cut where readings cut windows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Load {
    /// Of consumers.
    pub(super) busy: f64,
    /// Idle.
    pub(super) idle: f64,
}

impl Load {
    /// Takes a fraction away from it.
    pub(super) fn take(&mut self, fraction: f64) -> Self {
        let taken = Self { busy: self.busy * fraction, idle: self.idle * fraction };
        self.busy = (self.busy - taken.busy).max(0.0);
        self.idle = (self.idle - taken.idle).max(0.0);
        taken
    }

    /// Adds another.
    pub(super) fn add(&mut self, other: Self) {
        self.busy += other.busy;
        self.idle += other.idle;
    }
}

/// The load of one window, reckoned once for all zones.
#[derive(Debug, Default)]
pub(super) struct Loads {
    machine: Load,
    packages: Vec<(u32, Load)>,
}

impl Loads {
    /// Replaces what it holds by the loads of `window`.
    pub(super) fn measure(&mut self, window: &ActivityWindow) {
        self.machine = Load::default();
        self.packages.clear();
        for slice in &window.slices {
            self.add(window, slice.shard, Load { busy: slice.cpu_time.0 as f64, idle: 0.0 });
        }
        for (shard, idle) in (0..).map(ShardId).zip(&window.idle) {
            self.add(window, shard, Load { busy: 0.0, idle: idle.0 as f64 });
        }
    }

    /// The load of a package; of the machine for `None`.
    pub(super) fn of(&self, package: Option<u32>) -> Load {
        match package {
            None => self.machine,
            Some(wanted) => {
                self.packages.iter().find(|(package, _)| *package == wanted).map_or(Load::default(), |(_, load)| *load)
            }
        }
    }

    fn add(&mut self, window: &ActivityWindow, shard: ShardId, load: Load) {
        self.machine.add(load);
        let package = window.topology.package_of(shard);
        match self.packages.iter_mut().find(|(known, _)| *known == package) {
            Some((_, sum)) => sum.add(load),
            None => self.packages.push((package, load)),
        }
    }
}
