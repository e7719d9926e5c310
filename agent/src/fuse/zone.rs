//! Fusion of one zone: which of its sources is booked, and for which windows.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::activity::ActivityWindow;
use crate::clock::Timestamp;
use crate::notice::Notice;
use crate::source::{IdlePower, Measure, Provenance, Reading, SourceId, Zone, ZoneName};
use crate::units::{Microjoules, Watts};

use super::agreement::{Agreement, Judgement};
use super::alignment::Alignment;
use super::bridge::{Bridge, Flaw};
use super::counter::{CounterTrack, Step};
use super::drive::Drive;
use super::energy_window::EnergyWindow;
use super::envelope::Envelope;
use super::interval::Interval;
use super::learner::{Basis, Learner};
use super::limits::Limits;
use super::load::Load;
use super::meter_state::MeterState;
use super::packages::Packages;
use super::pending::Drives;
use super::power_model::{ModelsByPackage, PowerModel};
use super::queue::WindowQueue;
use super::rest::Rest;
use super::series::Series;
use super::spread::MODEL_DEVIATION;
use super::stuck::Stuck;

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

/// What is known of a source beside its readings.
#[derive(Clone, Copy, Debug)]
pub(super) struct SourceFacts {
    /// Its place in the configuration, the lowest first.
    pub(super) preference: usize,
    /// The zone's static power, where the source knows it.
    pub(super) idle_power: Option<Watts>,
    /// The zone's static power as the source had shown it to an earlier agent.
    pub(super) remembered: Option<Watts>,
    /// Whether a meter measures, from which the zone's power can be learned.
    pub(super) measures: bool,
}

#[derive(Debug)]
struct ZoneSource {
    id: SourceId,
    provenance: Provenance,
    facts: SourceFacts,
    counter: CounterTrack,
    /// As a candidate: what it counted since the last booked reading.
    kept: Option<Interval>,
    /// As of when its newest reading is by its own account.
    newest: Timestamp,
    alignment: Alignment,
    /// What it has shown of the zone's static power.
    envelope: Envelope,
    /// What it has shown of how power follows from what runs.
    by_activity: Learner,
    /// What it has shown of how power follows from that of packages.
    by_packages: Learner,
    /// Whether it agrees with that.
    agreement: Agreement,
    stuck: Stuck,
    bridge: Bridge,
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

    /// What is known of its meters.
    pub(super) fn meters(&self) -> impl Iterator<Item = MeterState> {
        let measuring = self.sources.iter().enumerate().filter(|(_, source)| source.facts.measures);
        measuring.map(|(place, source)| MeterState {
            zone: self.zone.clone(),
            source: source.id.clone(),
            lag: source.alignment.lag(),
            supply: source.by_packages.model().and_then(|model| model.supply()),
            off: source.agreement.off(),
            disagrees: source.agreement.disagrees() || source.stuck.is_stuck(),
            reckoned: source.bridge.reckoned,
            static_power: self.static_power(place),
            idle_power: source.envelope.idle_power(),
        })
    }

    /// Whether a source measures it, from which its power can be learned.
    pub(super) fn is_measured(&self) -> bool {
        self.sources.iter().any(|source| source.facts.measures)
    }

    /// Its static power as measuring sources have shown it on an idle machine, where nobody knew it.
    pub(super) fn learned(&self) -> impl Iterator<Item = IdlePower> {
        let learns = |&place: &usize| self.sources[place].facts.measures && self.known_static_power(place).is_none();
        (0..self.sources.len()).filter(learns).filter_map(|place| {
            let ZoneSource { id, envelope, .. } = &self.sources[place];
            Some(IdlePower { source: id.clone(), zone: self.zone.clone(), power: envelope.idle_static_power()? })
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
        let told = self.sources[source].newest;
        self.sources[source].newest = told.max(reading.at);
        let was_settled = self.sources[source].alignment.is_settled();
        let at = if facts.measures { self.sources[source].alignment.aligned(reading.at) } else { reading.at };
        let step = self.sources[source].counter.step(&Reading { at, ..reading.clone() }, limits.max_power);
        let interval = match step {
            Step::Ignored => return,
            Step::Baseline => None,
            Step::Gained { from, energy } => {
                // What is read at the end of each window is as of then.
                let is_sampled = [told, reading.at].contains(&self.windows.end());
                if facts.measures && !is_sampled {
                    self.align(source, (told, reading.at), energy, packages);
                }
                let is_silence = matches!(reading.measure, Measure::Power(_))
                    && self.sources[source].bridge.is_silence(at.since(from));
                Some(Interval {
                    from,
                    to: at,
                    energy,
                    sigma: reading.uncertainty.0.max(0.0) * energy.0 as f64,
                    timing: reading.timing_variance(energy.over(at.since(from))),
                    provenance: reading.provenance,
                    steady: was_settled && self.sources[source].alignment.is_settled(),
                    flaw: if reading.clipped { Some(Flaw::Clipped) } else { is_silence.then_some(Flaw::Silent) },
                    source,
                })
            }
        };
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

    /// Holds what a meter counted by its own account against what moves its power.
    fn align(&mut self, source: usize, (from, to): (Timestamp, Timestamp), energy: Microjoules, packages: &Packages) {
        let by_packages = self.is_node() && packages.energy(from, from).is_some();
        let busy = &self.busy;
        let explains = |from: Timestamp, to: Timestamp| {
            if by_packages { packages.energy(from, to) } else { busy.amount(from, to) }
        };
        let told = &mut self.sources[source];
        if told.alignment.observe(from, to, energy, &explains) {
            told.by_activity.restart();
            told.by_packages.restart();
            self.intervals.iter_mut().filter(|waits| waits.source == source).for_each(|waits| waits.steady = false);
        }
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
            let is_known = self.static_power.or(facts.idle_power).is_some();
            let remembered = facts.remembered.filter(|_| facts.measures && !is_known);
            self.sources.push(ZoneSource {
                id: reading.source.clone(),
                provenance: reading.provenance,
                facts,
                counter: CounterTrack::default(),
                kept: None,
                newest: reading.at,
                alignment: Alignment::default(),
                envelope: remembered.map(Envelope::remembering).unwrap_or_default(),
                by_activity: remembered.map(Learner::remembering).unwrap_or_default(),
                by_packages: remembered.map(Learner::remembering).unwrap_or_default(),
                agreement: Agreement::default(),
                stuck: Stuck::default(),
                bridge: Bridge::default(),
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
            let model = self.model(interval.source).cloned();
            let activity = self.windows.cut(&interval, model.as_deref(), of_packages.is_some().then_some(packages));
            let interval = self.bridged(interval, activity.as_ref(), of_packages);
            self.learn(&interval, activity, of_packages.zip(packages.models()));
            let unsteadiness = model.map_or(MODEL_DEVIATION, |model| model.unsteadiness);
            self.windows.book(&interval, self.static_power(interval.source), unsteadiness);
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
            let window = EnergyWindow {
                zone: self.zone.clone(),
                source: self.sources[booked.source].id.clone(),
                energy: booked.energy,
                static_energy: (self.static_power(booked.source) * booked.time).min(booked.energy),
                uncertainty: booked.uncertainty(),
                lasting_uncertainty: booked.lasting_uncertainty(),
                provenance: booked.provenance(activity.length()),
                model: self.model(booked.source).cloned(),
                activity,
            };
            let is_whole = booked.time == window.activity.length();
            let rest = if self.is_node() && is_whole { self.rest.of(&window, packages) } else { None };
            out.push(window);
            out.extend(rest);
        }
    }

    fn static_power(&self, source: usize) -> Watts {
        let learned = || match self.model(source) {
            Some(model) => {
                let bound = self.sources[source].envelope.bound().unwrap_or(Watts(f64::INFINITY));
                Watts(model.static_power().0.min(bound.0))
            }
            None => self.sources[source].envelope.power(),
        };
        self.known_static_power(source).unwrap_or_else(learned)
    }

    /// By packages, where these are measured; they show more, and sooner.
    fn model(&self, source: usize) -> Option<&Arc<PowerModel>> {
        let ZoneSource { by_packages, by_activity, .. } = &self.sources[source];
        by_packages.model().filter(|_| self.follows_packages).or_else(|| by_activity.model())
    }

    fn known_static_power(&self, source: usize) -> Option<Watts> {
        self.static_power.or(self.sources[source].facts.idle_power)
    }

    /// The interval as it is booked: where it does not say what was used, with what the model says of what ran.
    fn bridged(
        &mut self,
        mut interval: Interval,
        activity: Option<&(Load, Drives)>,
        of_packages: Option<f64>,
    ) -> Interval {
        if !self.sources[interval.source].facts.measures {
            return interval;
        }
        let time = interval.to.since(interval.from);
        // Microjoules are thousands of watts times nanoseconds.
        let of_packages = of_packages.map(|energy| Watts(energy * 1e3 / time.0 as f64));
        let foretold = self.model(interval.source).zip(activity).map(|(model, (_, drives))| {
            Watts(model.foretold(drives, of_packages.unwrap_or_default().0, time.0 as f64))
        });
        let counted = interval.energy;
        let ZoneSource { id, stuck, bridge, .. } = &mut self.sources[interval.source];
        if let Some(explaining) = of_packages.or(foretold)
            && stuck.observe(id, counted.over(time), time, explaining)
        {
            interval.flaw = interval.flaw.or(Some(Flaw::Stuck));
        }
        let flaw = interval.flaw;
        let interval = bridge.over(interval, flaw, foretold);
        self.accepted = self.accepted + interval.energy - counted;
        interval
    }

    fn learn(
        &mut self,
        interval: &Interval,
        activity: Option<(Load, Drives)>,
        packages: Option<(f64, ModelsByPackage)>,
    ) {
        let known = self.known_static_power(interval.source);
        let ZoneSource { id, envelope, by_activity, by_packages, facts, agreement, stuck, .. } =
            &mut self.sources[interval.source];
        let (energy, time) = (interval.energy, interval.to.since(interval.from));
        let is_good = interval.steady && interval.flaw.is_none() && !stuck.is_doubtful();
        let Some((load, drives)) = activity.filter(|_| is_good) else {
            envelope.interrupt();
            by_activity.interrupt();
            by_packages.interrupt();
            return;
        };
        envelope.observe(energy, time, load);
        let bound = known.or(envelope.bound());
        if !facts.measures {
            return;
        }
        by_activity.observe(energy, time, &drives, Basis::Activity, bound);
        let Some((of_packages, models)) = packages else {
            by_packages.interrupt();
            return;
        };
        // Microjoules are thousands of watts times nanoseconds.
        let of_packages = of_packages * 1e3;
        let judgement =
            by_packages.model().and_then(|model| Some((model.clone(), model.supply()?))).map(|(model, supply)| {
                let foretold = model.foretold(&drives, of_packages / time.0 as f64, time.0 as f64);
                agreement.observe(id, (energy, time), Watts(foretold), supply)
            });
        match judgement.unwrap_or(Judgement::Learn) {
            Judgement::Ignore => return by_packages.interrupt(),
            Judgement::LearnAnew => by_packages.restart(),
            Judgement::Learn => {}
        }
        by_packages.observe(energy, time, &drives, Basis::Packages(of_packages, &models), None);
    }
}
