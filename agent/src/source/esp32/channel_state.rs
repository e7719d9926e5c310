//! One channel of a meter as its datagrams tell it, with no socket or clock of its own.
//!
//! The charge is cumulative, so that a lost datagram loses no energy, and all that has to be decided of each datagram is
//! whether it is newer than the last one, and of the same boot. The protocol has no sequence number and no boot id; what
//! decides is the instant at which the meter must have booted for the datagram to say what it says (its arrival minus
//! its uptime): a delay moves that instant by seconds, a reboot moves it beyond the last sample that was heard.

use crate::clock::Timestamp;
use crate::config::Esp32Config;
use crate::source::metering::{
    CLOCK_TOLERANCE, ChargeEnergy, LONGEST_DELAY, Outcome, boot_instant, combined, of_volts,
};
use crate::source::{Counter, CounterRange, Measure, Provenance, Reading, SourceId, Zone};
use crate::units::{MilliampereSeconds, Milliamperes, Nanoseconds, RelativeUncertainty};

use super::INPUT;
use super::boot_track::{BootTrack, Fit};
use super::wire::{DecodeError, Sample, decode};

/// How many samples in a row have to agree with each other before they are believed against the track so far.
const CONFIRMATIONS: u32 = 3;
/// How well their boot instants have to agree.
const AGREEMENT: Nanoseconds = Nanoseconds(500_000_000);
/// When nothing has fitted for so long, even samples that look late are considered.
const STUCK_AFTER: Nanoseconds = Nanoseconds(30_000_000_000);

/// What a datagram led to.
#[derive(Clone, Debug, PartialEq)]
pub struct Heard {
    /// What became of it.
    pub outcome: Outcome,
    /// The reading that it gave, if it was accepted.
    pub reading: Option<Reading>,
    /// What happened to the meter, if this datagram showed it.
    pub change: Option<Change>,
    /// Whether the meter was at full scale.
    pub saturated: bool,
    /// Why it is malformed, if it is.
    pub error: Option<DecodeError>,
}

/// Something that begins a new counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The meter booted.
    Rebooted {
        /// How long before that its last reading was taken: what was used meanwhile is lost.
        lost: Nanoseconds,
    },
    /// The counter is another one, without a reboot.
    CounterReset {
        /// From the last reading of the old one to the first of the new one.
        lost: Nanoseconds,
    },
}

/// Samples that do not fit the track and may be the beginning of another.
#[derive(Clone, Debug)]
struct Candidate {
    track: BootTrack,
    first: Sample,
    first_boot: i64,
    heard: u32,
}

/// One channel of one meter.
#[derive(Debug)]
pub struct ChannelState {
    source: SourceId,
    zone: Zone,
    volts_uncertainty: RelativeUncertainty,
    energy: ChargeEnergy,
    /// Where the counter of this epoch began.
    base: MilliampereSeconds,
    epoch: u32,
    track: Option<BootTrack>,
    /// The boot before, while datagrams of it may still be on their way, and until when.
    previous: Option<(BootTrack, Timestamp)>,
    candidate: Option<Candidate>,
    asked: Option<Timestamp>,
    last_at: Timestamp,
}

impl ChannelState {
    /// A channel that nothing was heard from.
    pub fn new(source: SourceId, config: &Esp32Config) -> Self {
        Self {
            source,
            zone: Zone::from_config(&config.zone),
            volts_uncertainty: of_volts(config.volts_tolerance),
            energy: ChargeEnergy::new(config.volts),
            base: MilliampereSeconds(0.0),
            epoch: 0,
            track: None,
            previous: None,
            candidate: None,
            asked: None,
            last_at: Timestamp(0),
        }
    }

    /// Says that the meter was asked to send: from then on it may be a rebooted one that answers.
    pub fn asked(&mut self, at: Timestamp) {
        self.asked = Some(at);
    }

    /// Takes a datagram that arrived at `arrival`. Arrivals do not go back.
    pub fn datagram(&mut self, arrival: Timestamp, datagram: &[u8]) -> Heard {
        let sample = match decode(datagram) {
            Ok(sample) => sample,
            Err(error) => return Heard { error: Some(error), ..dropped(Outcome::Malformed) },
        };
        let Some(track) = self.track.as_mut() else {
            self.track = Some(BootTrack::new(arrival, sample));
            return self.accepted(arrival, sample, Milliamperes(sample.current.0), None);
        };
        if of_previous_boot(self.previous.as_ref(), track, arrival, &sample) {
            return dropped(Outcome::Reordered);
        }
        match track.fit(arrival, &sample, self.asked) {
            Fit::Next => {
                let mean = mean_current(&track.newest, &sample);
                track.accept(arrival, sample);
                self.candidate = None;
                self.accepted(arrival, sample, mean, None)
            }
            Fit::Copy => dropped(Outcome::Duplicate),
            Fit::Late if arrival.since(track.arrived) <= STUCK_AFTER => dropped(Outcome::Reordered),
            Fit::LaterBoot => {
                self.candidate = Some(Candidate::new(arrival, sample));
                self.follow_candidate(arrival, sample)
            }
            Fit::OtherCounter => self.consider(arrival, sample, Outcome::Foreign),
            Fit::PerhapsLaterBoot | Fit::Ahead | Fit::Late => self.consider(arrival, sample, Outcome::Held),
        }
    }

    /// Holds a sample against the candidate; follows the candidate once enough samples agree.
    fn consider(&mut self, arrival: Timestamp, sample: Sample, otherwise: Outcome) -> Heard {
        let candidate = match self.candidate.as_mut() {
            Some(candidate) if candidate.agrees(arrival, &sample) => {
                candidate.track.accept(arrival, sample);
                candidate.heard += 1;
                candidate
            }
            Some(candidate) if candidate.track.fit(arrival, &sample, None) == Fit::Copy => {
                return dropped(Outcome::Duplicate);
            }
            _ => self.candidate.insert(Candidate::new(arrival, sample)),
        };
        if candidate.heard < CONFIRMATIONS { dropped(otherwise) } else { self.follow_candidate(arrival, sample) }
    }

    /// Makes the candidate the track, and says what that means for the counter.
    fn follow_candidate(&mut self, arrival: Timestamp, sample: Sample) -> Heard {
        let (Some(candidate), Some(old)) = (self.candidate.take(), self.track.take()) else {
            return dropped(Outcome::Held);
        };
        let boot = candidate.track.clock.boot();
        let last_heard = old.clock.at(old.newest.uptime);
        let change = if old.precedes_boot(boot - old.clock.boot()) {
            self.base = MilliampereSeconds(0.0);
            Some(Change::Rebooted { lost: Timestamp(boot.max(0) as u64).since(last_heard) })
        } else if candidate.first.uptime > old.newest.uptime && old.can_reach(&candidate.first) {
            None
        } else {
            let resumed = candidate.track.clock.at(candidate.first.uptime);
            self.base = candidate.first.charge;
            Some(Change::CounterReset { lost: resumed.since(last_heard) })
        };
        let mean = if change.is_some() {
            // Of a new counter, only its beginning is known: zero at boot.
            self.energy.restart(old.newest.charge);
            self.epoch += 1;
            mean_current(&Sample { uptime: Nanoseconds::ZERO, charge: self.base, ..sample }, &sample)
        } else {
            mean_current(&old.newest, &sample)
        };
        self.track = Some(candidate.track);
        self.previous = Some((old, arrival + LONGEST_DELAY + LONGEST_DELAY));
        self.accepted(arrival, sample, mean, change)
    }

    fn accepted(&mut self, arrival: Timestamp, sample: Sample, mean: Milliamperes, change: Option<Change>) -> Heard {
        let at = self.track.as_ref().map_or(arrival, |track| track.clock.at(sample.uptime));
        self.last_at = self.last_at.max(at.min(arrival));
        let saturated = INPUT.saturated(sample.current);
        let total = self.energy.total(MilliampereSeconds(sample.charge.0 - self.base.0));
        let reading = Reading {
            source: self.source.clone(),
            zone: self.zone.clone(),
            at: self.last_at,
            measure: Measure::Energy(Counter {
                total,
                range: CounterRange::Unbounded,
                epoch: self.epoch,
                // What began in between begins elsewhere for the next agent.
                outlives_agent: self.base.0 == 0.0,
            }),
            uncertainty: combined(&[INPUT.uncertainty(mean, saturated), self.volts_uncertainty]),
            clipped: saturated,
            provenance: Provenance::Measured,
        };
        Heard { outcome: Outcome::Accepted, reading: Some(reading), change, saturated, error: None }
    }
}

impl Candidate {
    fn new(arrival: Timestamp, sample: Sample) -> Self {
        let first_boot = boot_instant(arrival, sample.uptime);
        Self { track: BootTrack::new(arrival, sample), first: sample, first_boot, heard: 1 }
    }

    fn agrees(&self, arrival: Timestamp, sample: &Sample) -> bool {
        let boot = boot_instant(arrival, sample.uptime);
        boot.abs_diff(self.first_boot) <= AGREEMENT.0 && self.track.fit(arrival, sample, None) == Fit::Next
    }
}

fn dropped(outcome: Outcome) -> Heard {
    Heard { outcome, reading: None, change: None, saturated: false, error: None }
}

/// Whether a sample is a straggler of the boot before: it fits that boot's clock, and better than this boot's.
fn of_previous_boot(
    previous: Option<&(BootTrack, Timestamp)>,
    track: &BootTrack,
    arrival: Timestamp,
    sample: &Sample,
) -> bool {
    previous.is_some_and(|(previous, until)| {
        let delay = previous.clock.delay(arrival, sample.uptime);
        let late = -CLOCK_TOLERANCE.0.cast_signed()..=LONGEST_DELAY.0.cast_signed();
        arrival < *until && late.contains(&delay) && delay.abs() < track.clock.delay(arrival, sample.uptime).abs()
    })
}

/// 1 mAs in 1 s is 1 mA. Without a time between, the later sample's own current.
fn mean_current(from: &Sample, to: &Sample) -> Milliamperes {
    let seconds = to.uptime.saturating_sub(from.uptime).seconds();
    if seconds > 0.0 { Milliamperes((to.charge.0 - from.charge.0).max(0.0) / seconds) } else { to.current }
}
