//! What messages tell of the clock of who sends them.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::telemetry;

/// The node's wall clock, in nanoseconds since the Unix epoch.
pub(super) fn unix_now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_nanos()).unwrap_or(i64::MAX)
}

/// Says in the metrics what has to be added to the times of who has reported last, nanoseconds.
pub(super) fn say_offset(offset: i64) {
    metrics::gauge!(telemetry::REPORTER_CLOCK_OFFSET.name).set(offset as f64 / 1e9);
}
