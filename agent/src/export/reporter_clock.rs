//! What messages tell of the clock of who sends them.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::invocation::ClockOffset;
use crate::telemetry;

/// The node's wall clock, in nanoseconds since the Unix epoch.
pub(super) fn unix_now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_nanos()).unwrap_or(i64::MAX)
}

/// A message was sent at `sent` by its sender's clock, in nanoseconds since the Unix epoch, and has arrived `now`. What has
/// to be added to the sender's times; it is said in the metrics too.
pub(super) fn arrived(offset: &mut ClockOffset, sent: i64, now: i64) -> i64 {
    offset.message(sent, now);
    metrics::gauge!(telemetry::REPORTER_CLOCK_OFFSET.name).set(offset.nanoseconds() as f64 / 1e9);
    offset.nanoseconds()
}
