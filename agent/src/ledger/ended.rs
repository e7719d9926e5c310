//! The ended lines of a level: they wait to be exported, then go into `other`.

use std::collections::{BTreeSet, VecDeque};
use std::hash::Hash;

use crate::clock::Timestamp;
use crate::units::Nanoseconds;

use super::level::Level;
use super::line::{Line, LineRef, Moment, Pictures, Standing};
use super::usage::Period;

/// Ended lines by age and by how much they used. Entries of lines that have gone meanwhile are skipped by whoever
/// reads `by_age`, and swept out when they are the majority.
#[derive(Debug, Default)]
pub(super) struct EndedLines {
    pub(super) by_age: VecDeque<LineRef>,
    by_rank: BTreeSet<(Nanoseconds, u32)>,
}

impl EndedLines {
    pub(super) fn len(&self) -> usize {
        self.by_rank.len()
    }

    pub(super) fn insert(&mut self, line: LineRef, rank: Nanoseconds) {
        self.by_age.push_back(line);
        self.by_rank.insert((rank, line.index));
    }

    /// The one that used least: how much, and its index.
    pub(super) fn least(&self) -> Option<(Nanoseconds, u32)> {
        self.by_rank.first().copied()
    }

    pub(super) fn remove(&mut self, rank: Nanoseconds, index: u32) {
        self.by_rank.remove(&(rank, index));
    }

    pub(super) fn sweep(&mut self, is_there: impl Fn(LineRef) -> bool) {
        if self.by_age.len() > 2 * self.by_rank.len() + 64 {
            self.by_age.retain(|line| is_there(*line));
        }
    }
}

/// An ended line gives way to another that has used more by one part in this many: among many that are alike nothing
/// is gained by letting each push out the one before.
const MARGIN: u64 = 4;

impl<Key: Copy + Eq + Hash, Extra> Level<Key, Extra> {
    /// Ends a line; whether it stays visible for now. At most so many ended lines stay, those that used most.
    pub(super) fn end(&mut self, line: LineRef, moment: Moment, periods: &[Period]) -> bool {
        let Some(entry) = self.get(line) else { return false };
        if entry.has_ended() {
            return true;
        }
        let rank = entry.usage.cpu_time;
        if !entry.is_visible() || self.limits.ended == 0 {
            self.fold(line, periods);
            return false;
        }
        if self.ended.len() >= self.limits.ended {
            match self.ended.least() {
                Some((least, index)) if least + Nanoseconds(least.0 / MARGIN) < rank => {
                    self.fold(LineRef { index, version: self.slots[index as usize].version }, periods);
                }
                _ => {
                    self.fold(line, periods);
                    return false;
                }
            }
        }
        self.ended.insert(line, rank);
        if let Some(entry) = self.get_mut(line) {
            entry.standing = Standing::Ended { at: moment.at, exported: None, rank };
            self.changed[line.index as usize] = moment.open;
        }
        true
    }

    /// Notes that all visible lines have been exported.
    pub(super) fn note_exported(&mut self, now: Timestamp) {
        let ended = std::mem::take(&mut self.ended.by_age);
        for line in &ended {
            if let Some(Line { standing: Standing::Ended { exported, .. }, .. }) = self.get_mut(*line) {
                exported.get_or_insert(now);
            }
        }
        self.ended.by_age = ended;
    }

    /// Folds the ended lines that were exported `retention` ago, or that nobody has asked for in `unasked`.
    pub(super) fn expire(&mut self, moment: Moment, retention: Nanoseconds, unasked: Nanoseconds, periods: &[Period]) {
        while let Some(oldest) = self.ended.by_age.front().copied() {
            if let Some(Line { standing: Standing::Ended { at, exported, .. }, .. }) = self.get(oldest) {
                let seen_enough = exported.is_some_and(|then| moment.at.since(then) >= retention);
                if !seen_enough && moment.at.since(*at) < unasked {
                    break;
                }
                self.fold(oldest, periods);
            }
            self.ended.by_age.pop_front();
        }
        let slots = &self.slots;
        self.ended.sweep(|line| slots[line.index as usize].version == line.version);
    }

    /// Lets an ended line go on: where the kernel tells no start times, a number may be used again.
    pub(super) fn revive(&mut self, line: LineRef) {
        if let Some(entry) = self.get_mut(line)
            && let Standing::Ended { rank, .. } = entry.standing
        {
            entry.standing = Standing::Visible { since: Pictures(0) };
            self.ended.remove(rank, line.index);
        }
    }
}
