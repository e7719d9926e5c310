//! A whole span of frames as it is sent: column by column.

use std::cmp::Reverse;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use serde::Serialize;

use crate::units::Microjoules;

use super::energy::whole_milliseconds;
use super::frame::{Frame, ZoneLabel};
use super::history::Span;
use super::level::{Level, Subject};

/// How many lines there are at most: those that used most in the span.
const LINES: usize = 40;

/// All frames of a span.
#[derive(Debug, Serialize)]
pub(super) struct Columns<'a> {
    epoch: &'a str,
    /// The number of the latest frame, those of seconds.
    sequence: u64,
    step_ms: u64,
    /// Milliseconds since the Unix epoch, and how many.
    ends: Vec<u64>,
    lengths: Vec<u64>,
    zones: Vec<ZoneColumn>,
    lines: Vec<LineColumn<'a>>,
    other: Vec<Microjoules>,
    idle: Vec<Microjoules>,
    unattributed: Vec<Microjoules>,
    /// Of the headline's zones, whichever they were.
    total: Vec<Microjoules>,
}

#[derive(Debug, Serialize)]
struct ZoneColumn {
    name: String,
    socket: Option<u32>,
    source: String,
    provenance: &'static str,
    headline: bool,
    microjoules: Vec<Microjoules>,
    sigma_microjoules: Vec<u64>,
    lengths: Vec<u64>,
}

#[derive(Debug, Serialize)]
struct LineColumn<'a> {
    #[serde(flatten)]
    subject: &'a Subject,
    microjoules: Vec<Microjoules>,
}

impl<'a> Columns<'a> {
    pub(super) fn new(epoch: &'a str, sequence: u64, span: Span, level: Level, frames: &'a [Arc<Frame>]) -> Self {
        let (lines, other) = line_columns(level, frames);
        let each = |part: fn(&Frame) -> Microjoules| frames.iter().map(|frame| part(frame)).collect();
        Self {
            epoch,
            sequence,
            step_ms: whole_milliseconds(span.step()),
            ends: frames.iter().map(|frame| whole_milliseconds(frame.end)).collect(),
            lengths: frames.iter().map(|frame| whole_milliseconds(frame.length)).collect(),
            zones: zone_columns(frames),
            lines,
            other,
            idle: each(|frame| frame.idle),
            unattributed: each(|frame| frame.unattributed),
            total: each(Frame::total),
        }
    }
}

fn line_columns<'a>(level: Level, frames: &'a [Arc<Frame>]) -> (Vec<LineColumn<'a>>, Vec<Microjoules>) {
    let mut sums: FxHashMap<&str, (Microjoules, &Arc<Subject>)> = FxHashMap::default();
    for line in frames.iter().flat_map(|frame| frame.lines(level)) {
        let sum = sums.entry(&line.subject.id).or_insert((Microjoules::ZERO, &line.subject));
        *sum = (sum.0 + line.energy, &line.subject);
    }
    let mut largest: Vec<(Microjoules, &Arc<Subject>)> = sums.into_values().collect();
    largest.sort_unstable_by(|left, right| right.0.cmp(&left.0).then_with(|| left.1.id.cmp(&right.1.id)));
    largest.truncate(LINES);
    let columns: FxHashMap<&str, usize> =
        largest.iter().zip(0..).map(|((_, subject), index)| (&*subject.id, index)).collect();
    let column = |&(_, subject): &(Microjoules, &'a Arc<Subject>)| LineColumn {
        subject,
        microjoules: vec![Microjoules::ZERO; frames.len()],
    };
    let mut lines: Vec<LineColumn<'_>> = largest.iter().map(column).collect();
    let mut other = Vec::with_capacity(frames.len());
    for (index, frame) in frames.iter().enumerate() {
        let mut without = frame.consumers;
        for line in frame.lines(level) {
            if let Some(&column) = columns.get(&*line.subject.id) {
                lines[column].microjoules[index] = line.energy;
                without = without.saturating_sub(line.energy);
            }
        }
        other.push(without);
    }
    (lines, other)
}

/// Where a meter was replaced by another, each has a column that is nothing where the other was.
fn zone_columns(frames: &[Arc<Frame>]) -> Vec<ZoneColumn> {
    let mut columns: Vec<(&ZoneLabel, ZoneColumn)> = Vec::new();
    for (index, frame) in frames.iter().enumerate() {
        for zone in &frame.zones {
            let label = &*zone.label;
            let known =
                columns.iter().position(|(other, _)| (&other.zone, &other.source) == (&label.zone, &label.source));
            let column = known.unwrap_or_else(|| {
                columns.push((label, empty_column(label, frames.len())));
                columns.len() - 1
            });
            let (_, column) = &mut columns[column];
            (column.provenance, column.headline) = (label.provenance.label(), label.headline);
            column.microjoules[index] = zone.energy;
            column.sigma_microjoules[index] = zone.sigma.round() as u64;
            column.lengths[index] = whole_milliseconds(zone.length);
        }
    }
    let mut columns: Vec<ZoneColumn> = columns.into_iter().map(|(_, column)| column).collect();
    columns.sort_by_key(|column| Reverse(column.headline));
    columns
}

fn empty_column(label: &ZoneLabel, frames: usize) -> ZoneColumn {
    ZoneColumn {
        name: label.zone.name.to_string(),
        socket: label.zone.socket,
        source: label.source.to_string(),
        provenance: label.provenance.label(),
        headline: label.headline,
        microjoules: vec![Microjoules::ZERO; frames],
        sigma_microjoules: vec![0; frames],
        lengths: vec![0; frames],
    }
}
