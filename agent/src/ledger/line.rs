//! One line of a level, and what became of it.

use crate::clock::Timestamp;
use crate::units::Nanoseconds;

use super::Generation;
use super::usage::Usage;

/// Where a line is kept; stale once the line has been dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LineRef {
    pub(super) index: u32,
    pub(super) version: u32,
}

/// How many pictures have been made. What was in none of them may still be changed without anybody noticing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Pictures(pub(super) u64);

/// When something happens.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    /// The window that is open now.
    pub(super) open: Generation,
    /// The end of the last recorded window.
    pub(super) at: Timestamp,
    /// The pictures made so far.
    pub(super) pictures: Pictures,
}

/// What became of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Counted in `other`, and only watched for how much it uses. A line that was seen may come back only after
    /// another picture has been made without it: it begins anew at zero.
    Hidden { seen_until: Option<Pictures> },
    /// It has a line of its own since then.
    Visible { since: Pictures },
    /// It has ended and waits to be exported.
    Ended { at: Timestamp, exported: Option<Timestamp>, rank: Nanoseconds },
}

/// One line: who, how much, and what else is kept with it.
#[derive(Debug)]
pub(crate) struct Line<Key, Extra> {
    pub(crate) key: Key,
    pub(crate) extra: Extra,
    /// What it has used since it became visible; nothing while it is hidden.
    pub(crate) usage: Usage,
    /// How much it used lately, whether visible or not: the yardstick of who gets a line. CPU time stands for energy
    /// here since it is known at once, while a slow meter's energy comes when the consumer may long be gone.
    pub(super) lately: Nanoseconds,
    pub(super) standing: Standing,
}

impl<Key, Extra> Line<Key, Extra> {
    pub(crate) fn is_visible(&self) -> bool {
        !matches!(self.standing, Standing::Hidden { .. })
    }

    pub(crate) fn has_ended(&self) -> bool {
        matches!(self.standing, Standing::Ended { .. })
    }

    pub(super) fn may_be_admitted(&self, pictures: Pictures) -> bool {
        match self.standing {
            Standing::Hidden { seen_until } => seen_until.is_none_or(|last| pictures > last),
            Standing::Visible { .. } | Standing::Ended { .. } => false,
        }
    }
}
