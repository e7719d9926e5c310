//! Fusion of one zone: which of its sources is booked, and for which windows.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::activity::ActivityWindow;
use crate::clock::Timestamp;
use crate::notice::Notice;
use crate::source::{Provenance, Reading, SourceId, Zone};
use crate::units::{Microjoules, Watts};

use super::counter::{CounterTrack, Step};
use super::drive::Drive;
use super::energy_window::EnergyWindow;
use super::envelope::Envelope;
use super::interval::Interval;
use super::learner::Learner;
use super::limits::Limits;
use super::load::Load;
use super::pending::Drives;
use super::power_model::PowerModel;
use super::queue::WindowQueue;

static TAKEN_OVER: Notice = Notice::new("energy_source_changed");
static FORGOTTEN: Notice = Notice::new("energy_meter_silent");

/// One zone with all sources that measure it.
///
/// One source at a time is booked. The others are candidates: each keeps what it has counted since the last reading that
/// was booked. When the booked one is silent for too long, the best of the others takes over, with what it has kept; when
/// one comes (back) that is preferred to the booked one, it takes over with its first reading, as a baseline. Booked
/// intervals therefore never overlap; the energy between two of them that do not touch is not booked.
#[derive(Debug)]
pub(super) struct ZoneFusion {
    zone: Zone,
    sources: Vec<ZoneSource>,
    booked: usize,
    /// Up to where readings are booked.
    booked_to: Timestamp,
    accepted: Microjoules,
    emitted: Microjoules,
    /// Booked intervals whose windows of activity are not all there yet.
    intervals: VecDeque<Interval>,
    windows: WindowQueue,
    /// Static power as configured; else each source knows or learns its own.
    static_power: Option<Watts>,
}

/// What is known of a source beside its readings.
#[derive(Clone, Copy, Debug)]
pub(super) struct SourceFacts {
    /// Its place in the configuration, the lowest first.
    pub(super) preference: usize,
    /// The zone's static power, where the source knows it.
    pub(super) idle_power: Option<Watts>,
    /// Whether its power is to be learned.
    pub(super) learns: bool,
}

#[derive(Debug)]
struct ZoneSource {
    id: SourceId,
    provenance: Provenance,
    facts: SourceFacts,
    counter: CounterTrack,
    /// As a candidate: what it counted since the last booked reading.
    kept: Option<Interval>,
    /// What it has shown of the zone's static power.
    envelope: Envelope,
    /// What it has shown of how power follows from what runs, where that is to be learned.
    learner: Option<Learner>,
}

impl ZoneFusion {
    /// Begins with the zone's first reading, which [`Self::reading`] has to be given next.
    pub(super) fn new(first: &Reading, static_power: Option<Watts>) -> Self {
        Self {
            zone: first.zone.clone(),
            sources: Vec::new(),
            booked: 0,
            booked_to: first.at,
            accepted: Microjoules::ZERO,
            emitted: Microjoules::ZERO,
            intervals: VecDeque::new(),
            windows: WindowQueue::new(first.at),
            static_power,
        }
    }

    pub(super) fn zone(&self) -> &Zone {
        &self.zone
    }

    /// The source that is booked now.
    pub(super) fn source(&self) -> &SourceId {
        &self.sources[self.booked].id
    }

    pub(super) fn accepted(&self) -> Microjoules {
        self.accepted
    }

    pub(super) fn emitted(&self) -> Microjoules {
        self.emitted
    }

    pub(super) fn held(&self) -> Microjoules {
        self.intervals.iter().map(|interval| interval.energy).sum::<Microjoules>() + self.windows.held()
    }

    /// Takes a reading of a source of which `facts` are known.
    pub(super) fn reading(
        &mut self,
        reading: &Reading,
        facts: SourceFacts,
        limits: &Limits,
        out: &mut Vec<EnergyWindow>,
    ) {
        let source = self.place_of(reading, facts);
        let step = self.sources[source].counter.step(reading, limits.max_power);
        let interval = match step {
            Step::Ignored => return,
            Step::Baseline => None,
            Step::Gained { from, energy } => Some(Interval {
                from,
                to: reading.at,
                energy,
                sigma: reading.uncertainty.0.max(0.0) * energy.0 as f64,
                provenance: reading.provenance,
                source,
            }),
        };
        // Not what reaches back to before the last booked reading: that time has its energy already.
        let fresh = interval.filter(|interval| interval.from >= self.booked_to);
        if source == self.booked {
            self.advance(fresh, reading.at, limits);
        } else {
            self.keep(source, fresh);
            if let Some(best) = self.successor(source, reading.at, limits) {
                self.take_over(best, limits);
            }
        }
        self.book(out);
    }

    /// Takes a window of activity, and the zone's load and what drives it in it.
    pub(super) fn window(
        &mut self,
        window: &Arc<ActivityWindow>,
        (load, drive): (Load, Option<&Arc<Drive>>),
        limits: &Limits,
        out: &mut Vec<EnergyWindow>,
    ) {
        self.windows.push(window, load, drive);
        self.book(out);
        if self.windows.bound(limits) {
            FORGOTTEN.warn(format_args!(
                "no reading of {} by {} for so long that its energy since then will be attributed to nobody (is the meter \
                 reachable?)",
                self.zone,
                self.source()
            ));
        }
    }

    fn place_of(&mut self, reading: &Reading, facts: SourceFacts) -> usize {
        let place = self.sources.iter().position(|source| source.id == reading.source).unwrap_or_else(|| {
            self.sources.push(ZoneSource {
                id: reading.source.clone(),
                provenance: reading.provenance,
                facts,
                counter: CounterTrack::default(),
                kept: None,
                envelope: Envelope::default(),
                learner: facts.learns.then(Learner::default),
            });
            self.sources.len() - 1
        });
        self.sources[place].provenance = reading.provenance;
        place
    }

    /// The lower, the better.
    fn rank(&self, source: usize) -> (Provenance, usize, usize) {
        (self.sources[source].provenance, self.sources[source].facts.preference, source)
    }

    /// The booked source has given a reading.
    fn advance(&mut self, interval: Option<Interval>, at: Timestamp, limits: &Limits) {
        self.booked_to = self.booked_to.max(at);
        for source in &mut self.sources {
            source.kept = source.kept.take().filter(|kept| kept.from >= self.booked_to);
        }
        let Some(interval) = interval else { return };
        self.accepted += interval.energy;
        let full = self.intervals.len() >= limits.pending_readings;
        match self.intervals.back_mut().filter(|_| full) {
            Some(newest) => newest.extend(&interval),
            None => self.intervals.push_back(interval),
        }
    }

    /// A candidate has given a reading.
    fn keep(&mut self, source: usize, interval: Option<Interval>) {
        let Some(interval) = interval else { return };
        match &mut self.sources[source].kept {
            Some(kept) => kept.extend(&interval),
            none => *none = Some(interval),
        }
    }

    /// Which source is booked from now on, if that changes by a reading of the candidate `source`.
    fn successor(&self, source: usize, at: Timestamp, limits: &Limits) -> Option<usize> {
        let newest = |source: usize| self.sources[source].counter.newest();
        if self.rank(source) < self.rank(self.booked) && at >= self.booked_to {
            return Some(source);
        }
        if newest(self.booked).is_some_and(|booked| at.since(booked) <= limits.silence) {
            return None;
        }
        let alive = |&source: &usize| newest(source).is_some_and(|newest| at.since(newest) <= limits.silence);
        (0..self.sources.len()).filter(alive).min_by_key(|&source| self.rank(source))
    }

    fn take_over(&mut self, source: usize, limits: &Limits) {
        TAKEN_OVER.warn(format_args!(
            "{} is measured by {} from now on, before by {}",
            self.zone,
            self.sources[source].id,
            self.source()
        ));
        self.booked = source;
        let kept = self.sources[source].kept.take();
        let at = self.sources[source].counter.newest().unwrap_or(self.booked_to);
        self.advance(kept, at, limits);
    }

    /// Books the intervals whose windows are there.
    fn book(&mut self, out: &mut Vec<EnergyWindow>) {
        while let Some(interval) = self.intervals.pop_front_if(|interval| interval.to <= self.windows.end()) {
            self.windows.skip_to(interval.from);
            self.emit(out);
            let model = self.model(interval.source).cloned();
            let activity = self.windows.cut(&interval, model.as_deref());
            self.learn(&interval, activity);
            self.windows.book(&interval, self.static_power(interval.source));
            self.emit(out);
        }
    }

    /// Hands out the windows that are covered to their end. Those that no reading touched are none of this zone's.
    fn emit(&mut self, out: &mut Vec<EnergyWindow>) {
        while let Some((activity, booked)) = self.windows.pop_covered() {
            if booked.time.is_zero() {
                continue;
            }
            self.emitted += booked.energy;
            out.push(EnergyWindow {
                zone: self.zone.clone(),
                source: self.sources[booked.source].id.clone(),
                energy: booked.energy,
                static_energy: (self.static_power(booked.source) * booked.time).min(booked.energy),
                uncertainty: booked.uncertainty(),
                provenance: booked.provenance(activity.length()),
                model: self.model(booked.source).cloned(),
                activity,
            });
        }
    }

    fn static_power(&self, source: usize) -> Watts {
        let learned = || match self.model(source) {
            Some(model) => model.static_power(),
            None => self.sources[source].envelope.power(),
        };
        self.known_static_power(source).unwrap_or_else(learned)
    }

    fn model(&self, source: usize) -> Option<&Arc<PowerModel>> {
        self.sources[source].learner.as_ref()?.model()
    }

    fn known_static_power(&self, source: usize) -> Option<Watts> {
        self.static_power.or(self.sources[source].facts.idle_power)
    }

    fn learn(&mut self, interval: &Interval, activity: Option<(Load, Drives)>) {
        let is_known = self.known_static_power(interval.source).is_some();
        let ZoneSource { envelope, learner, .. } = &mut self.sources[interval.source];
        let (energy, time) = (interval.energy, interval.to.since(interval.from));
        if let Some((load, drives)) = activity {
            if !is_known {
                envelope.observe(energy, time, load);
            }
            if let Some(learner) = learner {
                learner.observe(energy, time, &drives);
            }
        } else {
            envelope.interrupt();
            if let Some(learner) = learner {
                learner.interrupt();
            }
        }
    }
}
