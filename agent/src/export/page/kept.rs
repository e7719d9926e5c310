//! Frames that are over, as they are kept in memory and in files: small, with each name once.

use std::hash::Hash;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use crate::units::{Microjoules, Nanoseconds};

use super::frame::{Frame, LineFrame, ZoneFrame, ZoneLabel};
use super::level::{Level, Subject};

/// The frames of a minute, or the minutes of an hour.
#[derive(Clone, Debug)]
pub(super) struct Pack {
    /// Which minute or hour since the Unix epoch.
    pub(super) number: u64,
    /// The number of its first frame, and how many there are.
    pub(super) first: u64,
    pub(super) count: u64,
    bytes: Arc<[u8]>,
}

impl Pack {
    /// `frames` are all of one minute or hour, in order.
    pub(super) fn of(number: u64, frames: &[Arc<Frame>]) -> Self {
        let first = frames.first().map_or(0, |frame| frame.sequence);
        // Numbers and text only: they can always be written.
        let bytes = postcard::to_allocvec(&Segment::of(frames)).unwrap_or_default();
        Self { number, first, count: frames.len() as u64, bytes: bytes.into() }
    }

    /// From what was written, to be numbered from `first` on; `None` where that is of another version.
    pub(super) fn read(number: u64, first: u64, bytes: Vec<u8>) -> Option<Self> {
        let segment: Segment = postcard::from_bytes(&bytes).ok()?;
        Some(Self { number, first, count: segment.frames.len() as u64, bytes: bytes.into() })
    }

    /// What is written.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn frames(&self) -> Vec<Arc<Frame>> {
        let segment: Segment = postcard::from_bytes(&self.bytes).unwrap_or_default();
        segment.frames(self.first).into_iter().map(Arc::new).collect()
    }
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Segment {
    subjects: Vec<Subject>,
    labels: Vec<ZoneLabel>,
    frames: Vec<KeptFrame>,
}

#[derive(Debug, Serialize, Deserialize)]
struct KeptFrame {
    generation: u64,
    end: Nanoseconds,
    length: Nanoseconds,
    /// Which of the labels, energy, deviation and length.
    zones: Vec<(u32, Microjoules, f64, Nanoseconds)>,
    consumers: Microjoules,
    idle: Microjoules,
    unattributed: Microjoules,
    /// Which of the subjects, and energy.
    lines: [Vec<(u32, Microjoules)>; Level::ALL.len()],
}

impl Segment {
    fn of(frames: &[Arc<Frame>]) -> Self {
        let (mut subjects, mut labels) = (Numbers::default(), Numbers::default());
        let frames = frames.iter().map(|frame| KeptFrame {
            generation: frame.generation,
            end: frame.end,
            length: frame.length,
            zones: frame
                .zones
                .iter()
                .map(|zone| (labels.of(&zone.label), zone.energy, zone.sigma, zone.length))
                .collect(),
            consumers: frame.consumers,
            idle: frame.idle,
            unattributed: frame.unattributed,
            lines: Level::ALL
                .map(|level| frame.lines(level).iter().map(|line| (subjects.of(&line.subject), line.energy)).collect()),
        });
        let frames = frames.collect();
        Self { subjects: subjects.all, labels: labels.all, frames }
    }

    /// What refers to nothing is left out.
    fn frames(self, first: u64) -> Vec<Frame> {
        let subjects: Vec<Arc<Subject>> = self.subjects.into_iter().map(Arc::new).collect();
        let labels: Vec<Arc<ZoneLabel>> = self.labels.into_iter().map(Arc::new).collect();
        let zone = |&(label, energy, sigma, length): &(u32, Microjoules, f64, Nanoseconds)| {
            Some(ZoneFrame { label: Arc::clone(labels.get(label as usize)?), energy, sigma, length })
        };
        let line = |&(subject, energy): &(u32, Microjoules)| {
            Some(LineFrame { subject: Arc::clone(subjects.get(subject as usize)?), energy })
        };
        let frame = |(sequence, kept): (u64, KeptFrame)| Frame {
            sequence,
            generation: kept.generation,
            end: kept.end,
            length: kept.length,
            zones: kept.zones.iter().filter_map(zone).collect(),
            consumers: kept.consumers,
            idle: kept.idle,
            unattributed: kept.unattributed,
            lines: kept.lines.map(|lines| lines.iter().filter_map(line).collect()),
        };
        (first..).zip(self.frames).map(frame).collect()
    }
}

/// Each thing once, and its place among them.
struct Numbers<T> {
    numbers: FxHashMap<Arc<T>, u32>,
    all: Vec<T>,
}

impl<T> Default for Numbers<T> {
    fn default() -> Self {
        Self { numbers: FxHashMap::default(), all: Vec::new() }
    }
}

impl<T: Clone + Eq + Hash> Numbers<T> {
    fn of(&mut self, thing: &Arc<T>) -> u32 {
        let next = self.all.len() as u32;
        let number = *self.numbers.entry(Arc::clone(thing)).or_insert(next);
        if number == next {
            self.all.push(T::clone(thing));
        }
        number
    }
}
