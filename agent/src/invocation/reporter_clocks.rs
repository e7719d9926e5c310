//! The clocks of reporters that do not tell what time it is there, by what ran while their invocations were under way.

use std::collections::VecDeque;

use rustc_hash::FxHashMap;

use crate::activity::ConsumerId;
use crate::clock::Timestamp;
use crate::units::Nanoseconds;

use super::alignment::{Aligned, Span, align};
use super::history::History;
use super::observed::{Observed, Place, ReporterId};

/// How many reporters are followed. Who is new then waits until another is silent.
const MOST_REPORTERS: usize = 256;
/// Of how many of a reporter's invocations the times are kept.
const MOST_SPANS: usize = 1_024;
/// How many have to be new before a reporter's clock is looked at again.
const NEW_SPANS: usize = 30;
/// How far back the times are kept, and how long a silent reporter is remembered.
const KEPT: Nanoseconds = Nanoseconds(20 * Nanoseconds::SECOND.0);
/// How often one clock is looked at: it takes some milliseconds.
const EVERY: Nanoseconds = Nanoseconds::SECOND;
/// Into how long intervals activity is divided: finer ones cost more, and coarser ones tell nothing.
const STEPS: std::ops::RangeInclusive<Nanoseconds> = Nanoseconds(5_000_000)..=Nanoseconds(200_000_000);
/// How much earlier and later than the invocations what ran is looked at: as far as a clock may be off.
const AROUND: i64 = 1_000_000_000;

/// All of them.
#[derive(Debug, Default)]
pub(super) struct ReporterClocks {
    clocks: FxHashMap<(ReporterId, Place), Clock>,
    looked: Timestamp,
}

#[derive(Debug, Default)]
struct Clock {
    told: VecDeque<Told>,
    new: usize,
    heard: Timestamp,
    looked: Timestamp,
    aligned: Option<Aligned>,
}

#[derive(Clone, Copy, Debug)]
struct Told {
    span: Span,
    arrived: Timestamp,
}

impl ReporterClocks {
    /// An invocation was reported. What has to be added to its reporter's times, nanoseconds, as far as it is known.
    pub(super) fn reported(&mut self, observed: &Observed, now: Timestamp) -> Option<i64> {
        let reporter = observed.reporter?;
        let key = (reporter.id, observed.place.clone());
        if self.clocks.len() >= MOST_REPORTERS && !self.clocks.contains_key(&key) {
            return None;
        }
        let clock = self.clocks.entry(key).or_default();
        let told = |at: Timestamp| at.0.cast_signed().saturating_sub(reporter.added);
        if clock.told.len() == MOST_SPANS {
            clock.told.pop_front();
        }
        let span = Span { start: told(observed.start), end: told(observed.end) };
        clock.told.push_back(Told { span, arrived: now });
        clock.new += 1;
        clock.heard = now;
        clock.aligned.map(|aligned| aligned.offset)
    }

    /// Looks at one reporter's clock, if it is time. `consumers` are those that ran lately in a place.
    pub(super) fn look(&mut self, now: Timestamp, history: &History, consumers: impl Fn(&Place) -> Vec<ConsumerId>) {
        if now.since(self.looked) < EVERY {
            return;
        }
        self.looked = now;
        self.clocks.retain(|_, clock| now.since(clock.heard) < KEPT);
        let due = self.clocks.iter_mut().filter(|(_, clock)| clock.new >= NEW_SPANS);
        let Some(((_, place), clock)) = due.min_by_key(|(_, clock)| clock.looked) else { return };
        clock.looked = now;
        clock.new = 0;
        clock.told.retain(|told| now.since(told.arrived) < KEPT);
        if let Some(aligned) = clock.align(history, &consumers(place)) {
            if clock.aligned.map(|before| before.offset) != Some(aligned.offset) {
                let (offset, error) = (aligned.offset as f64 / 1e6, aligned.error.0 as f64 / 1e6);
                tracing::debug!(
                    "a reporter's clock is {offset:.1} ms behind, to {error:.1} ms, by what ran in {place:?}"
                );
            }
            clock.aligned = Some(aligned);
        }
    }
}

impl Clock {
    fn align(&self, history: &History, consumers: &[ConsumerId]) -> Option<Aligned> {
        let spans: Vec<Span> = self.told.iter().map(|told| told.span).collect();
        let instant = |at: i64| Timestamp(at.max(0).cast_unsigned());
        let from = instant(spans.iter().map(|span| span.start).min()?.saturating_sub(AROUND)).max(history.begin()?);
        let to = instant(spans.iter().map(|span| span.end).max()?.saturating_add(AROUND)).min(history.end()?);
        let step = history.resolution().clamp(*STEPS.start(), *STEPS.end());
        // Nothing ends after it has arrived.
        let most = self.told.iter().map(|told| told.arrived.0.cast_signed().saturating_sub(told.span.end)).min()?;
        align(&history.activity(consumers, from, to), step, &spans, most)
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{consumer, tick};
    use super::super::observed::{By, Reporter};
    use super::*;

    const MS: u64 = 1_000_000;

    fn place() -> Place {
        Place::Container("one".into())
    }

    fn reported(start: u64, end: u64, added: i64) -> Observed {
        Observed {
            id: "one".into(),
            place: place(),
            by: By::Report,
            start: Timestamp(start),
            end: Timestamp(end),
            on_cpu: None,
            reporter: Some(Reporter { id: ReporterId([7; 32]), added }),
        }
    }

    #[test]
    fn a_clock_that_is_behind_is_found_whatever_was_added_before() {
        let mut history = History::new(Nanoseconds(60_000 * MS));
        // Runs for 10 ms of every 40 to 90.
        let begins: Vec<u64> = (0..100)
            .scan(2_000, |at, it: u64| {
                *at += 40 + it * it * 17 % 50;
                Some(*at / 10 * 10)
            })
            .collect();
        for at in (0..900).map(|it| it * 10) {
            let used = if begins.contains(&at) { 10 * MS } else { 0 };
            history.add(&tick(at * MS, (at + 10) * MS, &[(1, used)]), |_| true);
        }
        let mut clocks = ReporterClocks::default();
        let (behind, added) = (300 * MS, 120 * MS);
        for begin in &begins {
            let observed = reported((begin + 120) * MS - behind, (begin + 130) * MS - behind, added.cast_signed());
            assert_eq!(clocks.reported(&observed, Timestamp((begin + 700) * MS)), None);
        }
        let now = Timestamp(9_500 * MS);
        clocks.look(now, &history, |asked| if *asked == place() { vec![consumer(1)] } else { Vec::new() });
        let found = clocks.reported(&reported(8_000 * MS, 8_010 * MS, 0), now).expect("it is plain");
        assert!((found - behind.cast_signed()).unsigned_abs() <= 10 * MS, "{found}");
        // The silent are forgotten.
        clocks.look(now + KEPT, &history, |_| Vec::new());
        assert_eq!(clocks.reported(&reported(8_000 * MS, 8_010 * MS, 0), now + KEPT), None);
    }

    #[test]
    fn who_tells_the_time_is_not_followed() {
        let mut clocks = ReporterClocks::default();
        let observed = Observed { reporter: None, ..reported(0, 1, 0) };
        assert_eq!(clocks.reported(&observed, Timestamp(2)), None);
        assert!(clocks.clocks.is_empty());
    }

    #[test]
    fn reporters_are_bounded() {
        let mut clocks = ReporterClocks::default();
        for number in 0..=MOST_REPORTERS {
            let id = ReporterId([(number % 256) as u8; 32]);
            let place = Place::Pod(number.to_string().into());
            let observed = Observed { place, reporter: Some(Reporter { id, added: 0 }), ..reported(0, 1, 0) };
            clocks.reported(&observed, Timestamp(2));
        }
        assert_eq!(clocks.clocks.len(), MOST_REPORTERS);
    }
}
