//! Frames of seconds added up to frames of minutes.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::units::{Microjoules, Nanoseconds};

use super::frame::{Frame, LINES, LineFrame, ZoneFrame, keep_largest};
use super::level::{Level, Subject};

/// The minute, since the Unix epoch, that a frame with this end belongs to.
pub(super) fn minute_of(end: Nanoseconds) -> u64 {
    end.0.saturating_sub(1) / (60 * Nanoseconds::SECOND.0)
}

/// A minute that is not over yet.
#[derive(Debug, Default)]
pub(super) struct Minute {
    sum: Option<Frame>,
    lines: [FxHashMap<Arc<str>, LineFrame>; Level::ALL.len()],
}

impl Minute {
    /// Adds a frame.
    pub(super) fn add(&mut self, frame: &Frame) {
        match &mut self.sum {
            None => self.sum = Some(Frame { lines: Default::default(), ..frame.clone() }),
            Some(sum) => {
                sum.sequence = frame.sequence;
                sum.generation = frame.generation;
                sum.end = frame.end;
                sum.length += frame.length;
                sum.consumers += frame.consumers;
                sum.idle += frame.idle;
                sum.unattributed += frame.unattributed;
                frame.zones.iter().for_each(|zone| add_zone(&mut sum.zones, zone));
            }
        }
        for (sums, lines) in self.lines.iter_mut().zip(&frame.lines) {
            for LineFrame { subject, energy } in lines {
                let sum = sums.entry(Arc::clone(&subject.id)).or_insert_with(|| nothing_of(subject));
                sum.subject = Arc::clone(subject);
                sum.energy += *energy;
            }
        }
    }

    /// The whole minute, where `next` is the first frame of another one.
    pub(super) fn ended_by(&mut self, next: &Frame) -> Option<Frame> {
        let minute = minute_of(self.sum.as_ref()?.end);
        if minute == minute_of(next.end) {
            return None;
        }
        let whole = self.so_far();
        *self = Self::default();
        whole
    }

    /// What there is of it.
    pub(super) fn so_far(&self) -> Option<Frame> {
        let mut sum = self.sum.clone()?;
        for (lines, sums) in sum.lines.iter_mut().zip(&self.lines) {
            lines.extend(sums.values().cloned());
            keep_largest(lines, LINES);
        }
        Some(sum)
    }
}

fn nothing_of(subject: &Arc<Subject>) -> LineFrame {
    LineFrame { subject: Arc::clone(subject), energy: Microjoules::ZERO }
}

/// Deviations of seconds add up as they do for a meter that is off by the same all the time.
fn add_zone(sums: &mut Vec<ZoneFrame>, zone: &ZoneFrame) {
    match sums.iter_mut().find(|sum| sum.label == zone.label) {
        None => sums.push(zone.clone()),
        Some(sum) => {
            sum.energy += zone.energy;
            sum.sigma += zone.sigma;
            sum.length += zone.length;
        }
    }
}
