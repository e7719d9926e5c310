//! A zone's totals and its power periods.

use std::collections::VecDeque;

use crate::attribute::Attribution;
use crate::clock::Timestamp;
use crate::source::{Provenance, SourceId, Zone};
use crate::units::{Microjoules, Nanoseconds, RelativeUncertainty, Watts};

use super::Generation;
use super::usage::{Period, Recent};

/// How long a power period is at least, to half a window.
const PERIOD: Nanoseconds = Nanoseconds::SECOND;

/// How long after its last energy a zone's power still counts as current, and how many periods if that is longer.
const STALE_AFTER: Nanoseconds = Nanoseconds(10 * 1_000_000_000);
const STALE_AFTER_PERIODS: u64 = 3;

/// How many ends of periods are remembered to tell watchers what has changed.
const REMEMBER_PERIODS: usize = 16;

/// One zone's books.
#[derive(Clone, Debug)]
pub(crate) struct ZoneBook {
    pub(crate) zone: Zone,
    pub(crate) source: SourceId,
    pub(crate) provenance: Provenance,
    pub(crate) uncertainty: RelativeUncertainty,
    pub(crate) measured: Microjoules,
    pub(crate) active: Microjoules,
    pub(crate) idle: Microjoules,
    pub(crate) idle_shared: Microjoules,
    pub(crate) unattributed: Microjoules,
    pub(crate) recent: Recent,
    pub(crate) recent_active: Recent,
    pub(crate) recent_idle: Recent,
    /// What is covered of the current period, and how long the one before was.
    covered: Nanoseconds,
    last_period: Nanoseconds,
    period: Period,
    /// Up to when its energy is booked.
    pub(crate) until: Timestamp,
    silent: bool,
    ends: VecDeque<(Generation, Period)>,
}

impl ZoneBook {
    pub(super) fn new(first: &Attribution) -> Self {
        let Attribution { zone, source, provenance, uncertainty, .. } = first;
        Self::empty(zone.clone(), source.clone(), *provenance, *uncertainty)
    }

    /// Books without any energy.
    pub(super) fn empty(
        zone: Zone,
        source: SourceId,
        provenance: Provenance,
        uncertainty: RelativeUncertainty,
    ) -> Self {
        Self {
            zone,
            source,
            provenance,
            uncertainty,
            measured: Microjoules::ZERO,
            active: Microjoules::ZERO,
            idle: Microjoules::ZERO,
            idle_shared: Microjoules::ZERO,
            unattributed: Microjoules::ZERO,
            recent: Recent::default(),
            recent_active: Recent::default(),
            recent_idle: Recent::default(),
            covered: Nanoseconds::ZERO,
            last_period: Nanoseconds::ZERO,
            period: Period::default(),
            until: Timestamp::default(),
            silent: false,
            ends: VecDeque::new(),
        }
    }

    /// Adds a window's energy. The lines are charged in the period that [`Self::period`] says before this.
    pub(super) fn add(&mut self, attribution: &Attribution, open: Generation) {
        let active: Microjoules = attribution.shares.iter().map(|share| share.active).sum();
        let shared: Microjoules = attribution.shares.iter().map(|share| share.idle).sum();
        if self.source != attribution.source {
            self.source = attribution.source.clone();
        }
        self.provenance = self.provenance.max(attribution.provenance);
        self.uncertainty = attribution.uncertainty;
        self.measured += attribution.measured;
        self.active += active;
        self.idle += attribution.idle + shared;
        self.idle_shared += shared;
        self.unattributed += attribution.unattributed;
        self.recent.add(attribution.measured, self.period);
        self.recent_active.add(active, self.period);
        self.recent_idle.add(attribution.idle + shared, self.period);
        self.cover(attribution, open);
    }

    fn cover(&mut self, attribution: &Attribution, open: Generation) {
        let window = attribution.to.since(attribution.from);
        self.until = self.until.max(attribution.to);
        self.silent = false;
        self.covered += window;
        if self.covered.0 + window.0 / 2 >= PERIOD.0 {
            self.last_period = std::mem::take(&mut self.covered);
            self.end_period(open);
        }
    }

    fn end_period(&mut self, open: Generation) {
        self.period.0 += 1;
        self.ends.push_back((open, self.period));
        if self.ends.len() > REMEMBER_PERIODS {
            self.ends.pop_front();
        }
    }

    /// Lets the power fall to nothing once the zone has not been heard of for long.
    pub(super) fn notice_silence(&mut self, now: Timestamp, open: Generation) {
        let heard_within = STALE_AFTER.max(Nanoseconds(STALE_AFTER_PERIODS * self.last_period.0));
        if !self.silent && now.since(self.until) > heard_within {
            self.silent = true;
            self.covered = Nanoseconds::ZERO;
            self.end_period(open);
            self.end_period(open);
        }
    }

    pub(super) fn period(&self) -> Period {
        self.period
    }

    /// Mean power over the last whole period; nothing before the first one has ended.
    pub(crate) fn power(&self, recent: Recent) -> Watts {
        recent.before(self.period).over(self.last_period)
    }

    /// Whether a line's power reads differently now than it did in period `then`.
    pub(crate) fn power_changed(&self, recent: Recent, then: Period) -> bool {
        recent.power_changed(then, self.period)
    }

    /// The period at the end of window `since`; the first one where that is too long ago to be remembered.
    pub(crate) fn period_at(&self, since: Generation) -> Period {
        let ended = self.ends.iter().rev().find(|(end, _)| *end <= since);
        ended.map_or_else(Period::default, |(_, period)| *period)
    }

    /// Power settles two periods after a line's last energy: the power of what did not change after the window
    /// returned here was the same at the end of window `since` as it is now.
    pub(crate) fn settled_before(&self, since: Generation) -> Generation {
        let second_last = self.ends.iter().rev().filter(|(end, _)| *end <= since).nth(1);
        // Of the window itself, some energy may have come after the period's end.
        second_last.map_or_else(Generation::default, |(end, _)| Generation(end.0 - 1))
    }

    /// What the parts are short of the whole, in microjoules.
    pub(crate) fn parts_error(&self) -> i128 {
        i128::from(self.measured.0)
            - i128::from(self.active.0)
            - i128::from(self.idle.0)
            - i128::from(self.unattributed.0)
    }

    /// What all consumers together were charged.
    pub(crate) fn charged(&self) -> Microjoules {
        self.active + self.idle_shared
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::ZoneName;

    fn window(from: Timestamp, length: Nanoseconds, measured: u64) -> Attribution {
        Attribution {
            zone: Zone { name: ZoneName::Package, socket: Some(0) },
            source: SourceId("test".into()),
            from,
            to: from + length,
            measured: Microjoules(measured),
            idle: Microjoules(measured),
            unattributed: Microjoules::ZERO,
            shares: Vec::new(),
            uncertainty: RelativeUncertainty(0.01),
            lasting_uncertainty: RelativeUncertainty(0.01),
            provenance: Provenance::Measured,
        }
    }

    fn powers(length: Nanoseconds, watts: f64, windows: u64) -> Vec<f64> {
        let energy = (Watts(watts) * length).0;
        let mut book = ZoneBook::new(&window(Timestamp(0), length, 0));
        let mut at = Timestamp(0);
        (0..windows)
            .map(|number| {
                book.add(&window(at, length, energy), Generation(number + 1));
                at = at + length;
                book.power(book.recent).0
            })
            .collect()
    }

    #[test]
    fn constant_power_reads_constant_whatever_the_window() {
        for millis in [1, 10, 100, 999, 1_001, 1_500, 10_000, 120_000] {
            let length = Nanoseconds::from_millis(millis);
            let first_period = (PERIOD.0 / length.0) as usize;
            for power in powers(length, 12.5, 4_000).into_iter().skip(first_period) {
                assert!((power - 12.5).abs() < 1e-9, "{power} W at windows of {millis} ms");
            }
        }
    }

    #[test]
    fn a_meter_that_has_gone_silent_shows_no_power() {
        let mut book = ZoneBook::new(&window(Timestamp(0), Nanoseconds::SECOND, 0));
        book.add(&window(Timestamp(0), Nanoseconds::SECOND, 1_000_000), Generation(1));
        let end = Timestamp(0) + Nanoseconds::SECOND;
        book.notice_silence(end + Nanoseconds::SECOND, Generation(2));
        assert_eq!(book.power(book.recent), Watts(1.0));
        book.notice_silence(end + Nanoseconds(11 * Nanoseconds::SECOND.0), Generation(12));
        assert_eq!(book.power(book.recent), Watts(0.0));
    }

    #[test]
    fn the_least_provenance_and_the_latest_uncertainty_stay() {
        let first = window(Timestamp(0), Nanoseconds::SECOND, 1);
        let mut book = ZoneBook::new(&first);
        let estimated = Attribution { provenance: Provenance::Estimated, ..first.clone() };
        book.add(&estimated, Generation(1));
        book.add(&Attribution { uncertainty: RelativeUncertainty(0.2), ..first }, Generation(2));
        assert_eq!(book.provenance, Provenance::Estimated);
        assert_eq!(book.uncertainty, RelativeUncertainty(0.2));
        assert_eq!(book.parts_error(), 0);
    }
}
