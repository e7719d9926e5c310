//! Fusion of one zone: which of its sources is booked, and for which windows.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::activity::ActivityWindow;
use crate::clock::Timestamp;
use crate::notice::Notice;
use crate::source::{IdlePower, Provenance, Reading, SourceId, Zone, ZoneName};
use crate::units::{Microjoules, Watts};

use super::drive::Drive;
use super::energy_window::EnergyWindow;
use super::interval::Interval;
use super::learnt::MeterLearnt;
use super::limits::Limits;
use super::load::Load;
use super::meter_state::MeterState;
use super::packages::Packages;
use super::position::MeterPosition;
use super::queue::WindowQueue;
use super::rest::Rest;
use super::series::Series;
use super::spread::MODEL_DEVIATION;
use super::zone_source::{SourceFacts, ZoneSource};

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
    /// How busy the zone's CPUs were.
    busy: Series,
    /// Of the whole machine: what is beside packages.
    rest: Rest,
    /// Whether it is known what packages used in what was booked last.
    follows_packages: bool,
    /// Static power as configured; else each source knows or learns its own.
    static_power: Option<Watts>,
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
            busy: Series::default(),
            rest: Rest::default(),
            follows_packages: false,
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

    /// Up to where it is booked, where the next agent can go on from there.
    pub(super) fn position(&self) -> Option<MeterPosition> {
        let source = &self.sources[self.booked];
        let (at, counter) = source.counter.newest_counter().filter(|(_, counter)| counter.outlives_agent)?;
        Some(MeterPosition {
            zone: self.zone.clone(),
            source: source.id.clone(),
            provenance: source.provenance,
            at,
            total: counter.total,
            range: counter.range,
            held: self.held(),
            from: self.windows.begin().min(at),
        })
    }

    /// Goes on from there, after it was given the position's reading as its first.
    pub(super) fn resume(&mut self, position: &MeterPosition) {
        self.windows = WindowQueue::new(position.from);
        if position.held.is_zero() {
            return;
        }
        self.accepted += position.held;
        self.intervals.push_back(Interval {
            from: position.from,
            to: position.at,
            energy: position.held,
            sigma: 0.0,
            timing: 0.0,
            provenance: position.provenance,
            steady: false,
            flaw: None,
            source: self.booked,
        });
    }

    /// A source that was just heard of for the first time goes on with what it had shown to an earlier agent.
    pub(super) fn resume_learnt(&mut self, before: MeterLearnt) {
        if let Some(source) = self.sources.iter_mut().find(|source| source.id == before.source) {
            source.resume(before.learnt);
        }
    }

    /// What its meters have shown.
    pub(super) fn learnt(&self) -> impl Iterator<Item = MeterLearnt> {
        self.sources.iter().filter_map(|source| {
            Some(MeterLearnt { zone: self.zone.clone(), source: source.id.clone(), learnt: source.learnt()?.clone() })
        })
    }

    /// What is known of its meters.
    pub(super) fn meters(&self) -> impl Iterator<Item = MeterState> {
        self.sources
            .iter()
            .filter(|source| source.measures())
            .map(|source| source.state(&self.zone, self.follows_packages))
    }

    /// Whether a source measures it, from which its power can be learned.
    pub(super) fn is_measured(&self) -> bool {
        self.sources.iter().any(ZoneSource::measures)
    }

    /// Its static power as measuring sources have shown it on an idle machine, where nobody knew it.
    pub(super) fn learned(&self) -> impl Iterator<Item = IdlePower> {
        self.sources.iter().filter_map(|source| {
            let power = source.learned_static_power()?;
            Some(IdlePower { source: source.id.clone(), zone: self.zone.clone(), power })
        })
    }

    /// Takes a reading of a source of which `facts` are known.
    pub(super) fn reading(
        &mut self,
        reading: &Reading,
        facts: SourceFacts,
        limits: &Limits,
        packages: &Packages,
        out: &mut Vec<EnergyWindow>,
    ) {
        let source = self.place_of(reading, facts);
        let by_packages = self.is_node() && packages.energy(self.booked_to, self.booked_to).is_some();
        let busy = &self.busy;
        let explains = |from: Timestamp, to: Timestamp| {
            if by_packages { packages.energy(from, to) } else { busy.amount(from, to) }
        };
        let Some(heard) = self.sources[source].reading(reading, limits.max_power, self.windows.end(), &explains) else {
            return;
        };
        if heard.is_moved {
            self.intervals.iter_mut().filter(|waits| waits.source == source).for_each(|waits| waits.steady = false);
        }
        let at = heard.at;
        let interval = heard.interval.map(|interval| Interval { source, ..interval });
        // Not what reaches back to before the last booked reading: that time has its energy already.
        let fresh = interval.filter(|interval| interval.from >= self.booked_to);
        if source == self.booked {
            self.advance(fresh, at, limits);
        } else {
            self.keep(source, fresh);
            if let Some(best) = self.successor(source, at, limits) {
                self.take_over(best, limits);
            }
        }
        self.book(packages, out);
    }

    /// Takes a window of activity, and the zone's load and what drives it in it.
    pub(super) fn window(
        &mut self,
        window: &Arc<ActivityWindow>,
        (load, drive): (Load, &Arc<Drive>),
        limits: &Limits,
        packages: &Packages,
        out: &mut Vec<EnergyWindow>,
    ) {
        self.windows.push(window, load, drive);
        self.busy.push(window.from, window.to, load.busy);
        self.book(packages, out);
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
            self.sources.push(ZoneSource::new(reading, facts, self.static_power));
            self.sources.len() - 1
        });
        self.sources[place].provenance = reading.provenance;
        place
    }

    /// The lower, the better.
    fn rank(&self, source: usize) -> (Provenance, usize, usize) {
        (self.sources[source].provenance, self.sources[source].preference, source)
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

    /// Whether the zone is all of the machine, packages included.
    fn is_node(&self) -> bool {
        self.zone.name == ZoneName::Node
    }

    /// Books the intervals whose windows are there, and for the whole machine the energy of packages too, where it is measured.
    pub(super) fn book(&mut self, packages: &Packages, out: &mut Vec<EnergyWindow>) {
        let is_node = self.is_node();
        let is_there =
            |to: Timestamp, windows: &WindowQueue| to <= windows.end() && !(is_node && packages.lag_behind(to));
        while let Some(interval) = self.intervals.pop_front_if(|interval| is_there(interval.to, &self.windows)) {
            self.windows.skip_to(interval.from);
            self.emit(packages, out);
            let of_packages = is_node.then(|| packages.energy(interval.from, interval.to)).flatten();
            self.follows_packages = of_packages.is_some();
            let source = &mut self.sources[interval.source];
            let model = source.model(self.follows_packages).cloned();
            let activity = self.windows.cut(&interval, model.as_deref(), of_packages.is_some().then_some(packages));
            let counted = interval.energy;
            let interval = source.bridged(interval, activity.as_ref(), of_packages);
            self.accepted = self.accepted + interval.energy - counted;
            source.learn(&interval, activity, of_packages.zip(packages.models()));
            let unsteadiness = model.map_or(MODEL_DEVIATION, |model| model.unsteadiness);
            let static_power = self.sources[interval.source].static_power(self.follows_packages);
            self.windows.book(&interval, static_power, unsteadiness);
            self.emit(packages, out);
        }
    }

    /// Hands out the windows that are covered to their end. Those that no reading touched are none of this zone's.
    fn emit(&mut self, packages: &Packages, out: &mut Vec<EnergyWindow>) {
        while let Some((activity, booked)) = self.windows.pop_covered() {
            if booked.time.is_zero() {
                continue;
            }
            self.emitted += booked.energy;
            let source = &self.sources[booked.source];
            let static_power = source.static_power(self.follows_packages);
            let window = EnergyWindow {
                zone: self.zone.clone(),
                source: source.id.clone(),
                energy: booked.energy,
                static_energy: (static_power * booked.time).min(booked.energy),
                uncertainty: booked.uncertainty(),
                lasting_uncertainty: booked.lasting_uncertainty(),
                provenance: booked.provenance(activity.length()),
                model: source.model(self.follows_packages).cloned(),
                activity,
            };
            let is_whole = booked.time == window.activity.length();
            let rest = if self.is_node() && is_whole { self.rest.of(&window, packages) } else { None };
            out.push(window);
            out.extend(rest);
        }
    }
}
