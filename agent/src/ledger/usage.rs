//! What one line has used: CPU time, energy by zone, and how much of it lately.

use smallvec::SmallVec;

use crate::units::{Microjoules, Nanoseconds};

/// Numbers a zone's power periods: stretches of measured time of about a second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Period(pub(crate) u32);

/// Energy of the current power period and of the one before. It is rolled on when it is touched, so that nobody has to
/// go through all lines when a period ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Recent {
    period: Period,
    current: Microjoules,
    previous: Microjoules,
}

impl Recent {
    pub(crate) fn add(&mut self, energy: Microjoules, period: Period) {
        *self = self.rolled(period);
        self.current += energy;
    }

    /// The same as seen in a later period.
    fn rolled(self, period: Period) -> Self {
        match period.0 - self.period.0 {
            0 => self,
            1 => Self { period, current: Microjoules::ZERO, previous: self.current },
            _ => Self { period, ..Self::default() },
        }
    }

    /// Energy in the whole period before `period`.
    pub(crate) fn before(self, period: Period) -> Microjoules {
        self.rolled(period).previous
    }

    /// Whether its power reads differently in period `now` than it did in `then`.
    pub(crate) fn power_changed(self, then: Period, now: Period) -> bool {
        now > self.period && then < now.min(Period(self.period.0 + 2))
    }

    fn merged(self, other: Self, period: Period) -> Self {
        let (mine, theirs) = (self.rolled(period), other.rolled(period));
        Self { period, current: mine.current + theirs.current, previous: mine.previous + theirs.previous }
    }
}

/// Energy of one line in one zone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ZoneUse {
    pub(crate) active: Microjoules,
    pub(crate) idle: Microjoules,
    pub(crate) recent: Recent,
}

/// What one line has used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) cpu_time: Nanoseconds,
    /// One zone needs no memory elsewhere, which would be in no cache.
    zones: SmallVec<[ZoneUse; 1]>,
}

impl Usage {
    pub(super) fn of(cpu_time: Nanoseconds, zones: SmallVec<[ZoneUse; 1]>) -> Self {
        Self { cpu_time, zones }
    }

    /// In the zone of this index; nothing where it was never charged.
    pub(crate) fn zone(&self, zone: usize) -> ZoneUse {
        self.zones.get(zone).copied().unwrap_or_default()
    }

    pub(crate) fn zones(&self) -> &[ZoneUse] {
        &self.zones
    }

    pub(super) fn charge(&mut self, zone: usize, active: Microjoules, idle: Microjoules, period: Period) {
        let entry = self.zone_mut(zone);
        entry.active += active;
        entry.idle += idle;
        entry.recent.add(active + idle, period);
    }

    /// Takes all of `other`, also what counts for the power. `periods` are the zones' current ones.
    pub(super) fn take(&mut self, other: &mut Self, periods: &[Period]) {
        self.cpu_time += std::mem::take(&mut other.cpu_time);
        for (zone, theirs) in other.zones.drain(..).enumerate() {
            let mine = self.zone_mut(zone);
            mine.active += theirs.active;
            mine.idle += theirs.idle;
            mine.recent = mine.recent.merged(theirs.recent, periods[zone]);
        }
    }

    fn zone_mut(&mut self, zone: usize) -> &mut ZoneUse {
        if self.zones.len() <= zone {
            self.zones.resize(zone + 1, ZoneUse::default());
        }
        &mut self.zones[zone]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_is_shown_during_the_next_one_and_then_forgotten() {
        let mut recent = Recent::default();
        recent.add(Microjoules(5), Period(3));
        recent.add(Microjoules(2), Period(3));
        assert_eq!(recent.before(Period(3)), Microjoules(0));
        assert_eq!(recent.before(Period(4)), Microjoules(7));
        assert_eq!(recent.before(Period(5)), Microjoules(0));
    }

    #[test]
    fn power_changes_when_its_period_ends_and_once_more_when_the_next_one_does() {
        let mut recent = Recent::default();
        recent.add(Microjoules(5), Period(3));
        assert!(!recent.power_changed(Period(3), Period(3)));
        assert!(recent.power_changed(Period(3), Period(4)));
        assert!(recent.power_changed(Period(4), Period(5)));
        assert!(recent.power_changed(Period(3), Period(9)));
        assert!(!recent.power_changed(Period(4), Period(4)));
        assert!(!recent.power_changed(Period(5), Period(9)));
    }

    #[test]
    fn taking_over_keeps_totals_and_power() {
        let (mut into, mut from) = (Usage::default(), Usage::default());
        into.charge(0, Microjoules(10), Microjoules(1), Period(1));
        from.charge(1, Microjoules(20), Microjoules(0), Period(2));
        from.charge(0, Microjoules(3), Microjoules(0), Period(2));
        from.cpu_time = Nanoseconds(9);
        into.take(&mut from, &[Period(2), Period(2)]);
        assert_eq!(from, Usage::default());
        assert_eq!(into.cpu_time, Nanoseconds(9));
        assert_eq!((into.zone(0).active, into.zone(0).idle), (Microjoules(13), Microjoules(1)));
        assert_eq!(into.zone(0).recent.before(Period(2)), Microjoules(11));
        assert_eq!(into.zone(1).recent.before(Period(3)), Microjoules(20));
    }
}
