//! What meters said, and the mean power that follows for any time.

use crate::clock::Timestamp;
use crate::fuse::{CounterTrack, Limits, Step};
use crate::source::{Reading, SourceId, Zone};
use crate::units::{Microjoules, Nanoseconds, RelativeUncertainty, Watts};

/// A mean is one where readings cover this part of its time.
const COVERED: f64 = 0.5;

/// The energy of one zone by one source, from reading to reading.
#[derive(Debug)]
pub(super) struct PowerLog {
    pub(super) zone: Zone,
    pub(super) source: SourceId,
    /// How far it may be off by its own account, at most.
    pub(super) uncertainty: RelativeUncertainty,
    track: CounterTrack,
    steps: Vec<(Timestamp, Timestamp, Microjoules)>,
}

/// All of them, in the order of zones and sources.
#[derive(Debug, Default)]
pub(super) struct PowerLogs(Vec<PowerLog>);

impl PowerLogs {
    /// Takes a reading.
    pub(super) fn take(&mut self, reading: &Reading) {
        let place = self.0.binary_search_by(|log| (&log.zone, &log.source).cmp(&(&reading.zone, &reading.source)));
        let place = place.unwrap_or_else(|place| {
            let (zone, source) = (reading.zone.clone(), reading.source.clone());
            let (track, uncertainty) = (CounterTrack::default(), reading.uncertainty);
            self.0.insert(place, PowerLog { zone, source, uncertainty, track, steps: Vec::new() });
            place
        });
        let log = &mut self.0[place];
        log.uncertainty.0 = log.uncertainty.0.max(reading.uncertainty.0);
        if let Step::Gained { from, energy } = log.track.step(reading, Limits::default().max_power) {
            log.steps.push((from, reading.at, energy));
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &PowerLog> {
        self.0.iter()
    }

    /// Whether no meter has said how much energy was used.
    pub(super) fn are_empty(&self) -> bool {
        self.0.iter().all(|log| log.steps.is_empty())
    }

    /// Whether all meters have said what was used until `at`.
    pub(super) fn reach(&self, at: Timestamp) -> bool {
        self.0.iter().all(|log| log.steps.last().is_some_and(|(_, to, _)| *to >= at))
    }
}

impl PowerLog {
    /// Mean power between two times; `None` where readings tell too little of it.
    pub(super) fn mean(&self, from: Timestamp, to: Timestamp) -> Option<Watts> {
        let (mut energy, mut covered) = (0.0, Nanoseconds::ZERO);
        for (begin, end, used) in &self.steps {
            let overlap = (*end).min(to).since((*begin).max(from));
            energy += used.0 as f64 * overlap.0 as f64 / end.since(*begin).0 as f64;
            covered += overlap;
        }
        let is_enough = !covered.is_zero() && covered.seconds() >= COVERED * to.since(from).seconds();
        is_enough.then(|| Watts(energy / 1e6 / covered.seconds()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{Counter, CounterRange, Measure, Provenance};

    const RANGE: Microjoules = Microjoules(99_999_999);

    fn reading(zone: &str, second: u64, total: u64) -> Reading {
        let counter = Counter {
            total: Microjoules(total),
            range: CounterRange::WrapsAfter(RANGE),
            epoch: 0,
            outlives_agent: false,
        };
        Reading {
            source: SourceId("meter".into()),
            zone: zone.parse().unwrap(),
            at: Timestamp(second * Nanoseconds::SECOND.0),
            measure: Measure::Energy(counter),
            uncertainty: RelativeUncertainty(0.01),
            clipped: false,
            provenance: Provenance::Measured,
        }
    }

    fn mean(log: &PowerLog, from: f64, to: f64) -> Option<f64> {
        let at = |second| Timestamp(Nanoseconds::from_seconds(second).0);
        log.mean(at(from), at(to)).map(|power| (power.0 * 1e6).round() / 1e6)
    }

    #[test]
    fn the_mean_is_over_what_readings_cover() {
        let mut logs = PowerLogs::default();
        // 5 W for four seconds, then 20 W for two; the counter wraps, and one reading comes twice.
        for (second, total) in [(0, 95_000_000), (2, 5_000_000), (2, 5_000_000), (4, 15_000_000), (6, 55_000_000)] {
            logs.take(&reading("node", second, total));
        }
        let log = logs.iter().next().unwrap();
        assert_eq!(mean(log, 0.0, 4.0), Some(5.0));
        assert_eq!(mean(log, 3.0, 5.0), Some(12.5));
        assert_eq!(mean(log, 5.0, 7.0), Some(20.0), "half of it is told");
        assert_eq!(mean(log, 5.5, 7.0), None);
        assert_eq!(mean(log, 7.0, 9.0), None);
    }

    #[test]
    fn zones_are_in_order_and_the_last_of_them_is_waited_for() {
        let mut logs = PowerLogs::default();
        assert!(logs.are_empty());
        logs.take(&reading("node", 0, 0));
        logs.take(&reading("package-0", 0, 0));
        assert!(logs.are_empty(), "one reading tells no energy");
        logs.take(&reading("node", 2, 1));
        assert!(!logs.are_empty() && !logs.reach(Timestamp(1)));
        logs.take(&reading("package-0", 1, 1));
        assert!(logs.reach(Timestamp(Nanoseconds::SECOND.0)) && !logs.reach(Timestamp(Nanoseconds::SECOND.0 + 1)));
        assert_eq!(logs.iter().map(|log| log.zone.to_string()).collect::<Vec<_>>(), ["package-0", "node"]);
    }
}
