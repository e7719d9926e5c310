//! Frames as they are kept in files. Names are written once for all frames of a file.

use std::hash::Hash;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use crate::units::{Microjoules, Nanoseconds};

use super::frame::{Frame, LineFrame, ZoneFrame, ZoneLabel};
use super::level::{Level, Subject};

/// What is in a file.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Segment {
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
    pub(super) fn of(frames: &[Arc<Frame>]) -> Self {
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

    /// The frames of several files in order, numbered from 1 on.
    pub(super) fn all_frames(segments: Vec<Self>) -> Vec<Frame> {
        let mut frames = Vec::new();
        for segment in segments {
            frames.extend(segment.frames(frames.len() as u64 + 1));
        }
        frames
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
