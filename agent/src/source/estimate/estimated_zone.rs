//! A zone whose energy is reckoned from its load.

use crate::activity::{ActivityWindow, ShardId};
use crate::clock::Timestamp;
use crate::source::{Counter, CounterRange, Measure, Provenance, Reading, SourceId, Zone};
use crate::units::{Microjoules, Nanoseconds, RelativeUncertainty, Watts};

use super::power_curve::PowerCurve;

/// A zone with what it has used so far.
#[derive(Debug)]
pub(super) struct EstimatedZone {
    pub(super) zone: Zone,
    curve: PowerCurve,
    /// The part of the curve's power that is its own.
    part: f64,
    pub(super) uncertainty: RelativeUncertainty,
    total: Microjoules,
    /// What is short of a whole microjoule.
    rest: f64,
    begun: bool,
}

impl EstimatedZone {
    pub(super) fn new(zone: Zone, curve: PowerCurve, part: f64, uncertainty: RelativeUncertainty) -> Self {
        Self { zone, curve, part, uncertainty, total: Microjoules::ZERO, rest: 0.0, begun: false }
    }

    /// Power at a load in per cent.
    pub(super) fn at(&self, load: f64) -> Watts {
        Watts(self.curve.at(load).0 * self.part)
    }

    /// Appends its counter at the end of `window`, and the first time also at its beginning.
    pub(super) fn read(&mut self, source: &SourceId, window: &ActivityWindow, readings: &mut Vec<Reading>) {
        if !self.begun {
            self.begun = true;
            readings.push(self.reading(source, window.from));
        }
        self.add(self.at(utilisation(window, self.zone.socket) * 100.0), window.length());
        readings.push(self.reading(source, window.to));
    }

    /// Adds energy and carries what is short of a whole microjoule, so that windows of any length sum up to the same.
    fn add(&mut self, power: Watts, time: Nanoseconds) {
        let energy = power.0 * time.0 as f64 / 1e3 + self.rest;
        let whole = energy.floor();
        self.total += Microjoules(whole as u64);
        self.rest = energy - whole;
    }

    fn reading(&self, source: &SourceId, at: Timestamp) -> Reading {
        Reading {
            source: source.clone(),
            zone: self.zone.clone(),
            at,
            measure: Measure::Energy(Counter {
                total: self.total,
                range: CounterRange::Unbounded,
                epoch: 0,
                outlives_agent: false,
            }),
            uncertainty: self.uncertainty,
            clipped: false,
            provenance: Provenance::Estimated,
        }
    }
}

/// The part of a package's CPU time, or of the machine's, in which something ran; none where no time passed.
fn utilisation(window: &ActivityWindow, socket: Option<u32>) -> f64 {
    let busy = window.busy(socket);
    let belongs = |shard| socket.is_none_or(|socket| window.topology.package_of(ShardId(shard)) == socket);
    let idle: Nanoseconds =
        (0_u16..).zip(&window.idle).filter(|(shard, _)| belongs(*shard)).map(|(_, idle)| *idle).sum();
    let all = busy + idle;
    if all.is_zero() { 0.0 } else { busy.0 as f64 / all.0 as f64 }
}
