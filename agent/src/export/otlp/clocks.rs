//! The clocks of who sends spans. Nothing says when a request was sent, but no span ends after that: where the latest ends
//! after it has arrived, the sender's clock is ahead. That it is behind only what ran can tell: spans may wait to be sent.

use std::net::IpAddr;

use opentelemetry_proto::tonic::trace::v1::ResourceSpans;
use rustc_hash::FxHashMap;
use sha2::{Digest as _, Sha256};

use crate::export::reporter_clock::say_offset;
use crate::invocation::{ClockOffset, Reporter, ReporterId};

/// How many senders are told apart.
const MOST: usize = 4_096;
/// How far ahead a clock may be, nanoseconds; what is beyond that is no clock but a wrong span.
const AHEAD: i64 = 1_000_000_000;

/// The clocks of all senders.
#[derive(Debug, Default)]
pub(super) struct Clocks(FxHashMap<ReporterId, Clock>);

#[derive(Debug, Default)]
struct Clock {
    arrivals: ClockOffset,
    by_activity: Option<i64>,
}

impl Clocks {
    /// Who sends these spans, by address and by what it says of itself, and what has to be added to their times. They came
    /// from `sender` and have arrived `now`.
    pub(super) fn reporter(&mut self, sender: Option<IpAddr>, spans: &ResourceSpans, now: i64) -> Reporter {
        let ends = spans.scope_spans.iter().flat_map(|scope| &scope.spans).map(|span| span.end_time_unix_nano);
        let ends = ends.filter_map(|end| i64::try_from(end).ok());
        let latest = ends.filter(|end| end.saturating_sub(now) <= AHEAD).max().unwrap_or(now);
        if self.0.len() >= MOST {
            self.0.clear();
        }
        let id = reporter_id(sender, spans);
        let clock = self.0.entry(id).or_default();
        clock.arrivals.message(latest, now);
        let added = clock.by_activity.unwrap_or(0).min(clock.arrivals.most().unwrap_or(0));
        say_offset(added);
        Reporter { id, added }
    }

    /// What has to be added to a sender's times, as what ran tells, nanoseconds.
    pub(super) fn is_off(&mut self, id: ReporterId, offset: i64) {
        if let Some(clock) = self.0.get_mut(&id) {
            clock.by_activity = Some(offset);
        }
    }
}

fn reporter_id(sender: Option<IpAddr>, spans: &ResourceSpans) -> ReporterId {
    let mut digest = Sha256::new();
    digest.update(sender.map(|address| address.to_string()).unwrap_or_default());
    digest.update([0]);
    digest.update(spans.resource.as_ref().map(prost::Message::encode_to_vec).unwrap_or_default());
    ReporterId(digest.finalize().into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::otlp::fixtures::{request, span};

    const SECOND: i64 = 1_000_000_000;

    fn spans_until(end: i64) -> ResourceSpans {
        request(&[], vec![span(1, 0, end.unsigned_abs(), &[])]).resource_spans.remove(0)
    }

    #[test]
    fn what_ran_tells_more_than_arrivals_but_nothing_arrives_before_it_ends() {
        let (mut clocks, now) = (Clocks::default(), 100 * SECOND);
        let behind = clocks.reporter(None, &spans_until(now - SECOND / 2), now);
        assert_eq!(behind.added, 0, "it may have waited to be sent");
        clocks.is_off(behind.id, 300_000_000);
        assert_eq!(clocks.reporter(None, &spans_until(now - SECOND / 2), now).added, 300_000_000);
        assert_eq!(clocks.reporter(None, &spans_until(now - 200_000_000), now).added, 200_000_000);
        assert_eq!(clocks.reporter(None, &spans_until(now + 100_000_000), now).added, -100_000_000);
    }

    #[test]
    fn senders_are_told_apart() {
        let (mut clocks, now) = (Clocks::default(), 100 * SECOND);
        let other = clocks.reporter(Some(IpAddr::from([10, 0, 0, 1])), &spans_until(now + SECOND / 2), now);
        assert_eq!(other.added, -SECOND / 2);
        let one = clocks.reporter(None, &spans_until(now), now);
        assert!(one.added == 0 && one.id != other.id);
    }
}
