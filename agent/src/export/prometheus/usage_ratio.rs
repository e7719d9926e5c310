//! How busy the CPUs are now, from the cumulative times of two pictures of the books.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::snapshot::Snapshot;
use crate::units::Nanoseconds;

/// The least time that a ratio is taken over, so that two scrapes that come at once do not spoil each other's.
const LEAST_SPAN: Duration = Duration::from_secs(1);

/// Remembers earlier pictures.
#[derive(Debug, Default)]
pub(super) struct UsageRatio {
    /// The picture that ratios are taken against.
    reference: Times,
    /// The picture that becomes the reference once it is old enough.
    next: Times,
}

#[derive(Clone, Copy, Debug, Default)]
struct Times {
    at: Timestamp,
    busy: Nanoseconds,
    idle: Nanoseconds,
}

impl UsageRatio {
    /// The busy share, from 0 to 1, of the CPUs' time since the latest of the earlier pictures that is at least a second
    /// old; since the books began where there is none. 0 where no time has passed.
    pub(super) fn update(&mut self, snapshot: &Snapshot) -> f64 {
        let now = Times { at: snapshot.at, busy: snapshot.busy_cpu_time, idle: snapshot.idle_cpu_time };
        if now.at.since(self.next.at) >= LEAST_SPAN.into() {
            self.reference = self.next;
            self.next = now;
        }
        let busy = now.busy.saturating_sub(self.reference.busy).seconds();
        let idle = now.idle.saturating_sub(self.reference.idle).seconds();
        if busy + idle > 0.0 { busy / (busy + idle) } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::prometheus::sample_books;

    fn picture(at_ms: u64, busy_ms: u64, idle_ms: u64) -> Snapshot {
        Snapshot {
            at: Timestamp(3_600_000_000_000 + at_ms * 1_000_000),
            busy_cpu_time: Nanoseconds::from_millis(busy_ms),
            idle_cpu_time: Nanoseconds::from_millis(idle_ms),
            ..sample_books::empty()
        }
    }

    #[test]
    fn follows_the_load_between_scrapes() {
        let mut ratio = UsageRatio::default();
        let close = |left: f64, right: f64| assert!((left - right).abs() < 1e-12, "{left} {right}");
        close(ratio.update(&picture(0, 0, 0)), 0.0);
        close(ratio.update(&picture(500, 500, 500)), 0.5);
        close(ratio.update(&picture(2_000, 1_000, 3_000)), 0.25);
        close(ratio.update(&picture(17_000, 16_000, 18_000)), 0.5);
        close(ratio.update(&picture(17_001, 16_002, 18_000)), 15_002.0 / 30_002.0);
        close(ratio.update(&picture(32_000, 46_000, 18_000)), 1.0);
    }
}
