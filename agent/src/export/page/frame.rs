//! What was used between two moments.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::source::{Provenance, SourceId, Zone};
use crate::units::{Microjoules, Nanoseconds};

use super::level::{Level, Subject};

/// How many lines of each level a frame has: those that used most.
pub(super) const LINES: usize = 32;

/// About a second, or a minute.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Frame {
    /// One more than that of the frame before.
    pub(super) sequence: u64,
    /// The window with whose end the frame was made.
    pub(super) generation: u64,
    /// When it ends, since the Unix epoch.
    pub(super) end: Nanoseconds,
    /// How long it is.
    pub(super) length: Nanoseconds,
    pub(super) zones: Vec<ZoneFrame>,
    /// What consumers used, in the headline zones together: with `idle` and `unattributed` it is their energy.
    pub(super) consumers: Microjoules,
    /// Static energy that was not shared out.
    pub(super) idle: Microjoules,
    /// Charged to nobody.
    pub(super) unattributed: Microjoules,
    /// The lines of each level, in the order of [`Level::ALL`], the largest first.
    pub(super) lines: [Vec<LineFrame>; Level::ALL.len()],
}

/// One line of a frame.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct LineFrame {
    pub(super) subject: Arc<Subject>,
    pub(super) energy: Microjoules,
}

/// One zone in a frame.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ZoneFrame {
    pub(super) label: Arc<ZoneLabel>,
    pub(super) energy: Microjoules,
    /// One standard deviation of it, in microjoules.
    pub(super) sigma: f64,
    /// For how long that is: a slow meter's comes at other moments than the frame's.
    pub(super) length: Nanoseconds,
}

/// Which zone.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct ZoneLabel {
    pub(super) zone: Zone,
    pub(super) source: SourceId,
    pub(super) provenance: Provenance,
    /// Whether it is one of the headline's.
    pub(super) headline: bool,
}

impl Frame {
    /// The energy of the headline zones.
    pub(super) fn total(&self) -> Microjoules {
        self.consumers + self.idle + self.unattributed
    }

    pub(super) fn lines(&self, level: Level) -> &[LineFrame] {
        &self.lines[level as usize]
    }

    /// What the consumers used that have no line here.
    pub(super) fn other(&self, level: Level) -> Microjoules {
        let lines: Microjoules = self.lines(level).iter().map(|line| line.energy).sum();
        self.consumers.saturating_sub(lines)
    }
}

/// Lines with less than this part of what all consumers used are too thin to be seen.
const THIN: u64 = 1_000;

/// Leaves those out that nobody could see, and keeps the largest of the others, the largest first.
pub(super) fn keep_visible(lines: &mut Vec<LineFrame>, consumers: Microjoules) {
    lines.retain(|line| line.energy.0.saturating_mul(THIN) >= consumers.0);
    keep_largest(lines, LINES);
}

/// Keeps those that used most, the largest first.
pub(super) fn keep_largest(lines: &mut Vec<LineFrame>, count: usize) {
    lines.sort_unstable_by(|left, right| {
        right.energy.cmp(&left.energy).then_with(|| left.subject.id.cmp(&right.subject.id))
    });
    lines.truncate(count);
}
