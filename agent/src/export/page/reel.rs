//! Frames in order, those of one group after the other. Only those of the running group are there as they are.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::units::Nanoseconds;

use super::frame::Frame;
use super::kept::Pack;

/// All frames of so many groups.
#[derive(Debug)]
pub(super) struct Reel {
    /// How long a group is, and how many are kept beside the running one.
    group: Nanoseconds,
    kept: u64,
    packs: VecDeque<Pack>,
    running: Vec<Arc<Frame>>,
}

impl Reel {
    pub(super) fn new(group: Nanoseconds, kept: u64) -> Self {
        Self { group, kept, packs: VecDeque::new(), running: Vec::new() }
    }

    /// Goes on with packs of another agent's, in order.
    pub(super) fn resume(&mut self, packs: Vec<(u64, Vec<u8>)>) {
        for (number, bytes) in packs {
            let first = self.sequence() + 1;
            self.packs.extend(Pack::read(number, first, bytes).filter(|pack| pack.count > 0));
        }
    }

    /// The group, since the Unix epoch, that a frame with this end belongs to.
    pub(super) fn group_of(&self, end: Nanoseconds) -> u64 {
        end.0.saturating_sub(1) / self.group.0
    }

    /// The number of the latest frame.
    pub(super) fn sequence(&self) -> u64 {
        let packed = || self.packs.back().map(|pack| pack.first + pack.count - 1);
        self.running.last().map(|frame| frame.sequence).or_else(packed).unwrap_or(0)
    }

    /// Adds a frame. Gives the group that has ended with the frame before, if one has.
    pub(super) fn add(&mut self, frame: Arc<Frame>) -> Option<Pack> {
        let now = self.group_of(frame.end);
        let is_over = self.running.last().is_some_and(|last| self.group_of(last.end) != now);
        let ended = if is_over { self.pack() } else { None };
        if is_over {
            self.running.clear();
            self.packs.extend(ended.clone());
        }
        self.running.push(frame);
        while self.packs.front().is_some_and(|pack| pack.number + self.kept < now) {
            self.packs.pop_front();
        }
        ended
    }

    /// The running group, as far as it has come.
    pub(super) fn pack(&self) -> Option<Pack> {
        let last = self.running.last()?;
        Some(Pack::of(self.group_of(last.end), &self.running))
    }

    /// The oldest frame's number.
    fn oldest(&self) -> u64 {
        let running = self.running.first().map(|frame| frame.sequence);
        self.packs.front().map(|pack| pack.first).or(running).unwrap_or(1)
    }

    /// The frames after this one; `None` where that is older than all, or still to come.
    pub(super) fn after(&self, sequence: u64) -> Option<Vec<Arc<Frame>>> {
        if sequence > self.sequence() || sequence + 1 < self.oldest() {
            return None;
        }
        let packed = self.packs.iter().filter(|pack| pack.first + pack.count - 1 > sequence).flat_map(Pack::frames);
        let all = packed.chain(self.running.iter().cloned());
        Some(all.filter(|frame| frame.sequence > sequence).collect())
    }

    /// What [`Self::frames`] are made from, so that nobody has to wait for it.
    pub(super) fn copy(&self) -> (Vec<Pack>, Vec<Arc<Frame>>) {
        (self.packs.iter().cloned().collect(), self.running.clone())
    }
}
