//! Single frames as they are sent.

use serde::Serialize;

use crate::units::Microjoules;

use super::energy::whole_milliseconds;
use super::frame::{Frame, LineFrame, ZoneFrame};
use super::level::Level;

/// A frame with the lines of one level.
#[derive(Debug, Serialize)]
pub(super) struct SentFrame<'a> {
    epoch: &'a str,
    sequence: u64,
    generation: u64,
    /// Milliseconds since the Unix epoch, and how many.
    end: u64,
    length: u64,
    zones: Vec<SentZone<'a>>,
    lines: Vec<SentLine<'a>>,
    other: Microjoules,
    idle: Microjoules,
    unattributed: Microjoules,
}

#[derive(Debug, Serialize)]
struct SentZone<'a> {
    name: String,
    socket: Option<u32>,
    source: &'a str,
    provenance: &'static str,
    headline: bool,
    microjoules: Microjoules,
    sigma_microjoules: u64,
    /// Milliseconds; 0 where a slow meter has told nothing meanwhile.
    length: u64,
}

#[derive(Debug, Serialize)]
struct SentLine<'a> {
    id: &'a str,
    name: &'a str,
    detail: &'a str,
    microjoules: Microjoules,
}

impl<'a> SentFrame<'a> {
    pub(super) fn new(epoch: &'a str, frame: &'a Frame, level: Level) -> Self {
        let line = |line: &'a LineFrame| SentLine {
            id: &line.subject.id,
            name: &line.subject.name,
            detail: &line.subject.detail,
            microjoules: line.energy,
        };
        Self {
            epoch,
            sequence: frame.sequence,
            generation: frame.generation,
            end: whole_milliseconds(frame.end),
            length: whole_milliseconds(frame.length),
            zones: frame.zones.iter().map(zone).collect(),
            lines: frame.lines(level).iter().map(line).collect(),
            other: frame.other(level),
            idle: frame.idle,
            unattributed: frame.unattributed,
        }
    }
}

fn zone(zone: &ZoneFrame) -> SentZone<'_> {
    SentZone {
        name: zone.label.zone.name.to_string(),
        socket: zone.label.zone.socket,
        source: &zone.label.source.0,
        provenance: zone.label.provenance.label(),
        headline: zone.label.headline,
        microjoules: zone.energy,
        sigma_microjoules: zone.sigma.round() as u64,
        length: whole_milliseconds(zone.length),
    }
}
