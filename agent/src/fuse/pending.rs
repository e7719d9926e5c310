//! A window of activity that waits until a zone's readings cover it.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::activity::{ActivityWindow, Topology};
use crate::clock::Timestamp;
use crate::source::Provenance;
use crate::units::{Microjoules, Nanoseconds, RelativeUncertainty};

use super::drive::Drive;
use super::interval::Interval;
use super::joined::JoinedWindow;
use super::limits::Limits;
use super::load::Load;

/// One window and what is known of its energy so far.
#[derive(Debug)]
pub(super) struct Pending {
    activity: Activity,
    /// From here on no reading has covered it yet.
    open_from: Timestamp,
    to: Timestamp,
    /// The load between `open_from` and `to`.
    open_load: Load,
    /// What drives the zone between `open_from` and `to`: parts of windows.
    open_drives: Drives,
    booked: Booked,
}

/// What drives a zone: by window, and how much of it.
pub(super) type Drives = SmallVec<[(Arc<Drive>, f64); 1]>;

#[derive(Debug)]
enum Activity {
    One(Arc<ActivityWindow>),
    Joined(Box<JoinedWindow>),
    Unknown { from: Timestamp, topology: Arc<Topology> },
}

/// What the readings have put into a window.
#[derive(Debug, Default)]
pub(super) struct Booked {
    /// How much of the window's time they covered.
    pub(super) time: Nanoseconds,
    /// How much energy they put there.
    pub(super) energy: Microjoules,
    /// The source that did so last.
    pub(super) source: usize,
    /// Of all readings in it, the least; none while there is none.
    provenance: Option<Provenance>,
    /// The sources' own uncertainty in microjoules (one sigma).
    source_sigma: f64,
    /// The model's variance in square microjoules.
    model_variance: f64,
    /// How many intervals were put together.
    intervals: u32,
}

/// What an interval has in common with a window.
#[derive(Clone, Debug)]
pub(super) struct Cut {
    /// The length of the common part.
    pub(super) time: Nanoseconds,
    /// The load in it.
    pub(super) load: Load,
    /// What drives the zone in it.
    pub(super) drives: Drives,
    /// Whether it is known who ran.
    pub(super) known: bool,
}

impl Pending {
    /// A window of which the time before `open_from` concerns nobody here; `load` is that of the whole window.
    pub(super) fn new(window: &Arc<ActivityWindow>, open_from: Timestamp, mut load: Load, drive: &Arc<Drive>) -> Self {
        let open_from = open_from.max(window.from);
        let before = fraction(open_from.since(window.from), window.length());
        let _before = load.take(before);
        let open_drives = Drives::from_iter([(Arc::clone(drive), 1.0 - before)]);
        let activity = Activity::One(Arc::clone(window));
        Self { activity, open_from, to: window.to, open_load: load, open_drives, booked: Booked::default() }
    }

    /// Time of which no window told anything. It is taken to be as busy as `following`, the window after it, so that
    /// its energy is not charged to that window, nor to anybody.
    pub(super) fn unknown(from: Timestamp, following: &ActivityWindow, load: Load) -> Self {
        let factor = following.from.since(from).0 as f64 / following.length().0 as f64;
        let open_load = Load { busy: load.busy * factor, idle: load.idle * factor };
        let activity = Activity::Unknown { from, topology: Arc::clone(&following.topology) };
        Self {
            activity,
            open_from: from,
            to: following.from,
            open_load,
            open_drives: Drives::new(),
            booked: Booked::default(),
        }
    }

    pub(super) fn from(&self) -> Timestamp {
        self.activity.from()
    }

    pub(super) fn open_from(&self) -> Timestamp {
        self.open_from
    }

    pub(super) fn to(&self) -> Timestamp {
        self.to
    }

    fn is_known(&self) -> bool {
        !matches!(self.activity, Activity::Unknown { .. })
    }

    pub(super) fn booked(&self) -> &Booked {
        &self.booked
    }

    /// Takes the part up to `until` off the open time.
    pub(super) fn cut(&mut self, until: Timestamp) -> Cut {
        let until = until.min(self.to);
        let time = until.since(self.open_from);
        let part = fraction(time, self.to.since(self.open_from));
        let load = self.open_load.take(part);
        let drives = self.open_drives.iter().map(|(drive, open)| (Arc::clone(drive), open * part)).collect();
        for (_, open) in &mut self.open_drives {
            *open *= 1.0 - part;
        }
        self.open_from = self.open_from.max(until);
        Cut { time, load, drives, known: self.is_known() }
    }

    /// Books `energy` out of `interval` for a part of this length, with the spread's `variance`. `alone` says that the
    /// whole interval lies within this window.
    pub(super) fn book(
        &mut self,
        interval: &Interval,
        time: Nanoseconds,
        energy: Microjoules,
        variance: f64,
        alone: bool,
    ) {
        let least = if alone { interval.provenance } else { interval.provenance.max(Provenance::Fused) };
        let booked = &mut self.booked;
        booked.time += time;
        booked.energy += energy;
        booked.source = interval.source;
        booked.provenance = booked.provenance.max(Some(least));
        if !interval.energy.is_zero() {
            booked.source_sigma += interval.sigma * (energy.0 as f64 / interval.energy.0 as f64);
        }
        booked.model_variance += variance + if alone { interval.timing } else { 0.0 };
        booked.intervals += 1;
    }

    /// Joins the window that follows, for which nothing was booked yet, into this one. Beyond the limits only the length
    /// is kept; says whether that happened just now.
    pub(super) fn join(&mut self, next: Self, limits: &Limits) -> bool {
        debug_assert_eq!(next.booked.intervals, 0, "readings cover windows in order");
        let from = self.activity.from();
        let (was_known, both_known) = (self.is_known(), self.is_known() && next.is_known());
        self.to = next.to;
        self.open_load.add(next.open_load);
        if both_known {
            self.open_drives.extend(next.open_drives.iter().cloned());
        } else {
            self.open_drives.clear();
        }
        let (following, _) = next.finish();
        let unknown = Activity::Unknown { from, topology: Arc::clone(&following.topology) };
        let mut joined = match std::mem::replace(&mut self.activity, unknown) {
            Activity::One(window) if both_known => Box::new(JoinedWindow::new(&window)),
            Activity::Joined(joined) if both_known => joined,
            _ => return was_known,
        };
        joined.add(&following);
        let fits = self.to.since(from) <= limits.joined_time && joined.slices() <= limits.joined_slices;
        if fits {
            self.activity = Activity::Joined(joined);
        } else {
            self.open_drives.clear();
        }
        !fits
    }

    /// The window, and what was booked for it.
    pub(super) fn finish(self) -> (Arc<ActivityWindow>, Booked) {
        let to = self.to;
        let activity = match self.activity {
            Activity::One(window) => window,
            Activity::Joined(joined) => Arc::new(joined.finish()),
            Activity::Unknown { from, topology } => {
                Arc::new(ActivityWindow { from, to, topology, ..ActivityWindow::default() })
            }
        };
        (activity, self.booked)
    }
}

impl Activity {
    fn from(&self) -> Timestamp {
        match self {
            Self::One(window) => window.from,
            Self::Joined(joined) => joined.from(),
            Self::Unknown { from, .. } => *from,
        }
    }
}

impl Booked {
    /// What of [`Self::uncertainty`] is in all of the source's energy alike.
    pub(super) fn lasting_uncertainty(&self) -> RelativeUncertainty {
        RelativeUncertainty(self.source_sigma / (self.energy.0.max(1) as f64))
    }

    /// The uncertainty of the energy (one sigma): `sqrt(s^2 + m + n/6) / E`, with s the sources' own uncertainty (the same
    /// error in all readings of a source, hence added up linearly), m the model's variance of each piece that was spread
    /// (independent, see `spread::quotas`), and n/6 µJ² for n differences between readings that are whole microjoules
    /// (two rounding errors, each uniform over 1 µJ: 2 x 1/12). No energy counts as 1 µJ here.
    pub(super) fn uncertainty(&self) -> RelativeUncertainty {
        let variance = self.source_sigma.powi(2) + self.model_variance + f64::from(self.intervals) / 6.0;
        RelativeUncertainty(variance.sqrt() / (self.energy.0.max(1) as f64))
    }

    /// Where the energy comes from, for a window of this length; `Fused` at best where readings cover only a part of it.
    pub(super) fn provenance(&self, length: Nanoseconds) -> Provenance {
        let least = self.provenance.unwrap_or(Provenance::Fused);
        if self.time < length { least.max(Provenance::Fused) } else { least }
    }
}

/// The fraction that `part` is of `whole`: all of it from there on.
fn fraction(part: Nanoseconds, whole: Nanoseconds) -> f64 {
    if part < whole { part.0 as f64 / whole.0 as f64 } else { 1.0 }
}
