//! How a figure is distributed over invocations.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::units::Nanoseconds;

/// Upper ends of the buckets, in the figure's base unit: 1, 2.5, 5 in every decade from a millionth to a thousand.
pub const BUCKETS: [f64; 28] = [
    1e-6, 2.5e-6, 5e-6, 1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2, 5e-2, 0.1, 0.25, 0.5,
    1.0, 2.5, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0,
];

/// One invocation of a bucket, to find it by.
#[derive(Clone, Debug, PartialEq)]
pub struct Exemplar {
    /// The invocation's id.
    pub id: Arc<str>,
    /// Its figure, in the base unit.
    pub value: f64,
    /// When it ended, nanoseconds since the Unix epoch.
    pub at_unix: Nanoseconds,
}

/// Counts by bucket. All of it only grows.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Histogram {
    /// How many lie in each of [`BUCKETS`] and in none before it, and last how many lie above all.
    pub counts: [u64; BUCKETS.len() + 1],
    /// Their sum, in millionths (microjoules) or billionths (nanoseconds) of the base unit, as whoever adds has it.
    pub sum: u64,
    /// The latest of each bucket.
    #[serde(skip, default = "no_exemplars")]
    pub exemplars: Vec<Option<Exemplar>>,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: [0; BUCKETS.len() + 1], sum: 0, exemplars: no_exemplars() }
    }
}

fn no_exemplars() -> Vec<Option<Exemplar>> {
    vec![None; BUCKETS.len() + 1]
}

impl Histogram {
    /// Adds one: its figure as a whole number to sum up, and as an exemplar in the base unit.
    pub(crate) fn add(&mut self, whole: u64, exemplar: Exemplar) {
        let bucket = BUCKETS.partition_point(|end| *end < exemplar.value);
        self.counts[bucket] += 1;
        self.sum += whole;
        self.exemplars[bucket] = Some(exemplar);
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_counted_in_the_first_bucket_that_holds_it() {
        let mut histogram = Histogram::default();
        for value in [0.0, 0.001, 0.0011, 5_000.0] {
            let whole = (value * 1e6) as u64;
            histogram.add(whole, Exemplar { id: "x".into(), value, at_unix: Nanoseconds(1) });
        }
        let in_bucket =
            |end: f64| histogram.counts[BUCKETS.iter().position(|bucket| *bucket >= end).expect("a bucket")];
        assert_eq!((in_bucket(1e-6), in_bucket(1e-3), in_bucket(2.5e-3)), (1, 1, 1));
        assert_eq!((histogram.counts[BUCKETS.len()], histogram.count(), histogram.sum), (1, 4, 5_000_002_100));
        assert!(BUCKETS.is_sorted_by(|left, right| left < right));
    }
}
