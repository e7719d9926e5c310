//! The table of functions: what they and their calls used.

use serde::Serialize;

use crate::invocation::{BUCKETS, FunctionTotals, Histogram, Phase};
use crate::snapshot::{FunctionLine, Snapshot};
use crate::units::{Microjoules, Nanoseconds};

use super::energy::{ZoneColumn, microjoules, watts, zone_columns};
use super::level::Subject;

/// All functions that have a line.
#[derive(Debug, Serialize)]
pub(super) struct FunctionTable<'a> {
    generation: u64,
    zones: Vec<ZoneColumn>,
    functions: Vec<FunctionRow<'a>>,
}

#[derive(Debug, Serialize)]
struct FunctionRow<'a> {
    id: String,
    platform: &'static str,
    namespace: &'a str,
    name: &'a str,
    revision: &'a str,
    containers: usize,
    cpu_nanoseconds: Nanoseconds,
    microjoules: Vec<Microjoules>,
    watts: Vec<f64>,
    invocations: u64,
    cold_starts: u64,
    phases: PhaseColumns,
    joules_per_call: Vec<Option<Spread>>,
    seconds_per_call: Option<Spread>,
}

/// Energy by zone.
#[derive(Debug, Serialize)]
struct PhaseColumns {
    invocation: Vec<Microjoules>,
    cold_start: Vec<Microjoules>,
    keep_warm: Vec<Microjoules>,
}

/// How a figure is spread over calls.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
struct Spread {
    mean: f64,
    p50: f64,
    p95: f64,
}

impl<'a> FunctionTable<'a> {
    pub(super) fn new(snapshot: &'a Snapshot) -> Self {
        let row = |line: &'a FunctionLine| {
            let known = snapshot.invocations.iter().find(|known| known.function == line.function);
            row(snapshot, line, known.map(|known| &known.totals))
        };
        Self {
            generation: snapshot.generation.0,
            zones: zone_columns(snapshot),
            functions: snapshot.functions.iter().map(row).collect(),
        }
    }
}

fn row<'a>(snapshot: &Snapshot, line: &'a FunctionLine, totals: Option<&FunctionTotals>) -> FunctionRow<'a> {
    let zones = snapshot.zones.len();
    let phase = |phase| {
        let energy = |zone| totals.map_or(Microjoules::ZERO, |totals| totals.phases.get(phase, zone));
        (0..zones).map(energy).collect()
    };
    let joules = |zone| spread(totals?.joules.get(zone)?, 1e-6);
    FunctionRow {
        id: Subject::of_function(line).id.to_string(),
        platform: line.function.platform.label(),
        namespace: &line.function.namespace,
        name: &line.function.name,
        revision: &line.function.revision,
        containers: line.containers,
        cpu_nanoseconds: line.cpu_time,
        microjoules: microjoules(snapshot, &line.energy),
        watts: watts(snapshot, &line.energy),
        invocations: totals.map_or(0, |totals| totals.counts.iter().sum()),
        cold_starts: totals.map_or(0, |totals| totals.cold_starts),
        phases: PhaseColumns {
            invocation: phase(Phase::Invocation),
            cold_start: phase(Phase::ColdStart),
            keep_warm: phase(Phase::KeepWarm),
        },
        joules_per_call: (0..zones).map(joules).collect(),
        seconds_per_call: totals.and_then(|totals| spread(&totals.seconds, 1e-9)),
    }
}

/// `None` where there was no call. `unit` is what the sum is counted in, in base units.
fn spread(histogram: &Histogram, unit: f64) -> Option<Spread> {
    let count = histogram.count();
    let mean = histogram.sum as f64 * unit / count as f64;
    (count > 0).then(|| Spread { mean, p50: quantile(histogram, 0.5), p95: quantile(histogram, 0.95) })
}

/// Within its bucket a figure is taken to be anywhere alike, as `histogram_quantile` of Prometheus does; above the last
/// bucket's end it is that.
fn quantile(histogram: &Histogram, quantile: f64) -> f64 {
    let rank = quantile * histogram.count() as f64;
    let mut below = 0.0;
    for (bucket, &count) in histogram.counts.iter().enumerate() {
        let Some(&end) = BUCKETS.get(bucket) else { break };
        let count = count as f64;
        if count > 0.0 && below + count >= rank {
            let begin = bucket.checked_sub(1).map_or(0.0, |before| BUCKETS[before]);
            return begin + (end - begin) * (rank - below) / count;
        }
        below += count;
    }
    BUCKETS[BUCKETS.len() - 1]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_lie_within_their_buckets() {
        let mut histogram = Histogram::default();
        assert_eq!(spread(&histogram, 1e-6), None);
        let bucket = |end: f64| BUCKETS.iter().position(|bucket| *bucket >= end).unwrap();
        histogram.counts[bucket(0.01)] = 9;
        histogram.counts[bucket(1.0)] = 1;
        histogram.sum = 1_000_000;
        let spread = spread(&histogram, 1e-6).unwrap();
        assert!((spread.mean - 0.1).abs() < 1e-12);
        assert!((0.005..=0.01).contains(&spread.p50), "{spread:?}");
        assert!((0.5..=1.0).contains(&spread.p95), "{spread:?}");
        histogram.counts[BUCKETS.len()] = 1_000;
        assert!(quantile(&histogram, 0.95) >= 1_000.0);
    }
}
