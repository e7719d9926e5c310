//! One source of one zone: what it counts, how far that can be trusted, and what it has shown of the zone's power.

use std::sync::Arc;

use crate::clock::Timestamp;
use crate::source::{Measure, Provenance, Reading, SourceId, Zone};
use crate::units::Watts;

use super::agreement::Judgement;
use super::alignment::Explains;
use super::bridge::Flaw;
use super::counter::{CounterTrack, Step};
use super::interval::Interval;
use super::learner::Basis;
use super::learnt::Learnt;
use super::load::Load;
use super::meter_state::MeterState;
use super::pending::Drives;
use super::power_model::{ModelsByPackage, PowerModel};

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

/// See the module.
#[derive(Debug)]
pub(super) struct ZoneSource {
    pub(super) id: SourceId,
    pub(super) provenance: Provenance,
    pub(super) preference: usize,
    pub(super) counter: CounterTrack,
    /// As a candidate: what it counted since the last booked reading.
    pub(super) kept: Option<Interval>,
    measures: bool,
    /// The zone's static power, where it need not be learned.
    known_static_power: Option<Watts>,
    /// As of when its newest reading is by its own account.
    newest: Timestamp,
    learnt: Learnt,
}

/// What came of a reading.
#[derive(Debug)]
pub(super) struct Heard {
    /// As of when it is.
    pub(super) at: Timestamp,
    /// What was counted since the one before, if that is known.
    pub(super) interval: Option<Interval>,
    /// Whether the meter is now taken to be late by more or less than before: what was counted is not where it belongs.
    pub(super) is_moved: bool,
}

impl ZoneSource {
    /// With its first reading, of a zone whose static power may be configured.
    pub(super) fn new(first: &Reading, facts: SourceFacts, static_power: Option<Watts>) -> Self {
        let known_static_power = static_power.or(facts.idle_power);
        let remembered = facts.remembered.filter(|_| facts.measures && known_static_power.is_none());
        Self {
            id: first.source.clone(),
            provenance: first.provenance,
            preference: facts.preference,
            counter: CounterTrack::default(),
            kept: None,
            measures: facts.measures,
            known_static_power,
            newest: first.at,
            learnt: remembered.map(Learnt::remembering).unwrap_or_default(),
        }
    }

    /// What it has shown, where it is a meter.
    pub(super) fn learnt(&self) -> Option<&Learnt> {
        self.measures.then_some(&self.learnt)
    }

    /// Goes on with what it had shown to an earlier agent. What is configured, and known by the source, goes first.
    pub(super) fn resume(&mut self, mut learnt: Learnt) {
        learnt.interrupt();
        self.learnt = learnt;
    }

    /// Whether a meter measures.
    pub(super) fn measures(&self) -> bool {
        self.measures
    }

    /// Takes a reading; nothing comes of one that says nothing. Windows end at `windows_end` so far, and `explains` is what
    /// moves the zone's power.
    pub(super) fn reading(
        &mut self,
        reading: &Reading,
        max_power: Watts,
        windows_end: Timestamp,
        explains: Explains<'_>,
    ) -> Option<Heard> {
        let told = self.newest;
        self.newest = told.max(reading.at);
        let was_settled = self.learnt.alignment.is_settled();
        let at = if self.measures { self.learnt.alignment.aligned(reading.at) } else { reading.at };
        let (from, energy) = match self.counter.step(&Reading { at, ..reading.clone() }, max_power) {
            Step::Ignored => return None,
            Step::Baseline => return Some(Heard { at, interval: None, is_moved: false }),
            Step::Gained { from, energy } => (from, energy),
        };
        // What is read at the end of each window is as of then.
        let is_sampled = [told, reading.at].contains(&windows_end);
        let is_moved =
            self.measures && !is_sampled && self.learnt.alignment.observe(told, reading.at, energy, explains);
        if is_moved {
            self.learnt.by_activity.restart();
            self.learnt.by_packages.restart();
        }
        let time = at.since(from);
        let is_silence = matches!(reading.measure, Measure::Power(_)) && self.learnt.bridge.is_silence(time);
        let interval = Interval {
            from,
            to: at,
            energy,
            sigma: reading.uncertainty.0.max(0.0) * energy.0 as f64,
            timing: reading.timing_variance(energy.over(time)),
            provenance: reading.provenance,
            steady: was_settled && self.learnt.alignment.is_settled(),
            flaw: if reading.clipped { Some(Flaw::Clipped) } else { is_silence.then_some(Flaw::Silent) },
            source: 0,
        };
        Some(Heard { at, interval: Some(interval), is_moved })
    }

    /// What it has shown of the zone's power: by packages, where these are measured; they show more, and sooner.
    pub(super) fn model(&self, follows_packages: bool) -> Option<&Arc<PowerModel>> {
        self.learnt.by_packages.model().filter(|_| follows_packages).or_else(|| self.learnt.by_activity.model())
    }

    /// The zone's static power.
    pub(super) fn static_power(&self, follows_packages: bool) -> Watts {
        let learned = || match self.model(follows_packages) {
            Some(model) => {
                let bound = self.learnt.envelope.bound().unwrap_or(Watts(f64::INFINITY));
                Watts(model.static_power().0.min(bound.0))
            }
            None => self.learnt.envelope.power(),
        };
        self.known_static_power.unwrap_or_else(learned)
    }

    /// The zone's static power as a meter has shown it on an idle machine, where nobody knew it.
    pub(super) fn learned_static_power(&self) -> Option<Watts> {
        self.learnt.envelope.idle_static_power().filter(|_| self.measures && self.known_static_power.is_none())
    }

    /// What is known of it as a meter.
    pub(super) fn state(&self, zone: &Zone, follows_packages: bool) -> MeterState {
        MeterState {
            zone: zone.clone(),
            source: self.id.clone(),
            lag: self.learnt.alignment.lag(),
            supply: self.learnt.by_packages.model().and_then(|model| model.supply()),
            follows_packages,
            off: self.learnt.agreement.off(),
            disagrees: self.learnt.agreement.disagrees() || self.learnt.stuck.is_stuck(),
            reckoned: self.learnt.bridge.reckoned,
            static_power: self.static_power(follows_packages),
            idle_power: self.learnt.envelope.idle_power(),
        }
    }

    /// The interval as it is booked: where it does not say what was used, with what the model says of what ran. Packages have
    /// used `of_packages` microjoules in it, where that is measured.
    pub(super) fn bridged(
        &mut self,
        mut interval: Interval,
        activity: Option<&(Load, Drives)>,
        of_packages: Option<f64>,
    ) -> Interval {
        if !self.measures {
            return interval;
        }
        let time = interval.to.since(interval.from);
        // Microjoules are thousands of watts times nanoseconds.
        let of_packages = of_packages.map(|energy| Watts(energy * 1e3 / time.0 as f64));
        let foretold = self.model(of_packages.is_some()).zip(activity).map(|(model, (_, drives))| {
            Watts(model.foretold(drives, of_packages.unwrap_or_default().0, time.0 as f64))
        });
        if let Some(explaining) = of_packages.or(foretold)
            && self.learnt.stuck.observe(&self.id, interval.energy.over(time), time, explaining)
        {
            interval.flaw = interval.flaw.or(Some(Flaw::Stuck));
        }
        self.learnt.bridge.over(interval, foretold)
    }

    /// Learns from an interval, as far as it can be trusted.
    pub(super) fn learn(
        &mut self,
        interval: &Interval,
        activity: Option<(Load, Drives)>,
        packages: Option<(f64, ModelsByPackage)>,
    ) {
        let is_good = interval.steady && interval.flaw.is_none() && !self.learnt.stuck.is_doubtful();
        let Some((load, drives)) = activity.filter(|_| is_good) else {
            self.learnt.interrupt();
            return;
        };
        let (energy, time) = (interval.energy, interval.to.since(interval.from));
        self.learnt.envelope.observe(energy, time, load);
        if !self.measures {
            return;
        }
        let bound = self.known_static_power.or(self.learnt.envelope.bound());
        self.learnt.by_activity.observe(energy, time, &drives, Basis::Activity, bound);
        let Some((of_packages, models)) = packages else { return self.learnt.by_packages.interrupt() };
        // Microjoules are thousands of watts times nanoseconds.
        let of_packages = of_packages * 1e3;
        let known = self.learnt.by_packages.model().and_then(|model| Some((Arc::clone(model), model.supply()?)));
        let judgement = known.map(|(model, supply)| {
            let foretold = model.foretold(&drives, of_packages / time.0 as f64, time.0 as f64);
            self.learnt.agreement.observe(&self.id, (energy, time), Watts(foretold), supply)
        });
        match judgement.unwrap_or(Judgement::Learn) {
            Judgement::Ignore => return self.learnt.by_packages.interrupt(),
            Judgement::LearnAnew => self.learnt.by_packages.restart(),
            Judgement::Learn => {}
        }
        self.learnt.by_packages.observe(energy, time, &drives, Basis::Packages(of_packages, &models), None);
    }
}
