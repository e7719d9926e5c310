//! One meter as its reports tell it, with no socket or clock of its own.

use crate::clock::Timestamp;
use crate::config::MeterConfig;
use crate::source::metering::{ChargeEnergy, MeterClock, Outcome, boot_instant, combined, of_saturation, of_volts};
use crate::source::{Counter, CounterRange, Measure, Provenance, Reading, SourceId, Zone};
use crate::units::{Microjoules, MilliampereSeconds, Nanoseconds, RelativeUncertainty};

use super::sequence::{Numbered, SequenceWindow};
use super::wire::{Channel, Report};

/// After so long without a report, an unauthenticated meter may come back with a smaller boot id: its memory was erased.
const FORGOTTEN_AFTER: Nanoseconds = Nanoseconds(30_000_000_000);

/// How much a report can be trusted to be new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Freshness {
    /// It answers a nonce that was drawn just now.
    Certain,
    /// It is signed, but might be an old one sent again.
    Replayable,
    /// Anybody could have made it.
    Unauthenticated,
}

/// What a report led to.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Heard {
    /// The readings of the configured channels.
    pub(super) readings: Vec<Reading>,
    /// The meter rebooted, and lost what was used in this time before it.
    pub(super) rebooted: Option<Nanoseconds>,
    /// How many reports are now known to be lost.
    pub(super) reports_lost: u64,
    /// Whether a channel has been at full scale since the report before.
    pub(super) saturated: bool,
    /// What is wrong with single channels.
    pub(super) problems: Vec<ChannelProblem>,
}

/// Why a channel gives no reading.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ChannelProblem {
    #[error("the meter does not report channel {0}: set source.meter.channel to one that it has")]
    Absent(u32),
    #[error("the meter sends no energy for channel {0}: set source.meter.volts to its supply voltage")]
    NoVoltage(u32),
    #[error("the sensor of channel {0} does not answer to the meter")]
    SensorFailed(u32),
    #[error(
        "the counters of channel {0} went back within a boot, or its energy comes and goes: the firmware is broken"
    )]
    WentBack(u32),
}

#[derive(Debug)]
struct Boot {
    id: u64,
    /// Which reports of the current numbering have come, and when it began.
    numbering: Option<(Nanoseconds, SequenceWindow)>,
    clock: MeterClock,
    newest: Nanoseconds,
    arrived: Timestamp,
}

/// What a channel's counters showed in this boot.
#[derive(Clone, Copy, Debug)]
struct Shown {
    charge: MilliampereSeconds,
    energy: Option<Microjoules>,
    saturated: Nanoseconds,
    uptime: Nanoseconds,
}

#[derive(Debug)]
struct ConfiguredChannel {
    number: u32,
    source: SourceId,
    zone: Zone,
    energy: Option<ChargeEnergy>,
    volts_uncertainty: RelativeUncertainty,
    shown: Option<Shown>,
}

/// A meter and those of its channels that are configured.
#[derive(Debug)]
pub(super) struct DeviceState {
    channels: Vec<ConfiguredChannel>,
    boot: Option<Boot>,
    epoch: u32,
    last_at: Timestamp,
}

impl DeviceState {
    pub(super) fn new<'a>(configs: impl IntoIterator<Item = &'a MeterConfig>) -> Self {
        let channels = configs.into_iter().map(|config| ConfiguredChannel {
            number: config.channel,
            source: SourceId(format!("meter:{}/{}", config.device, config.channel).into()),
            zone: Zone::from_config(&config.zone),
            energy: config.volts.map(ChargeEnergy::new),
            volts_uncertainty: of_volts(config.volts_tolerance),
            shown: None,
        });
        Self { channels: channels.collect(), boot: None, epoch: 0, last_at: Timestamp(0) }
    }

    /// Boot id and uptime of the newest report.
    pub(super) fn latest(&self) -> Option<(u64, Nanoseconds)> {
        self.boot.as_ref().map(|boot| (boot.id, boot.newest))
    }

    /// The numbers of the configured channels.
    pub(super) fn numbers(&self) -> Vec<u32> {
        self.channels.iter().map(|channel| channel.number).collect()
    }

    /// Takes a report of this meter that arrived at `arrival`. Arrivals do not go back.
    pub(super) fn report(&mut self, arrival: Timestamp, report: &Report, freshness: Freshness) -> (Outcome, Heard) {
        let mut heard = Heard::default();
        if let Some(boot) = self.boot.as_mut() {
            if report.boot_id == boot.id {
                match boot.number(report, &mut heard) {
                    Numbered::Copy => return (Outcome::Duplicate, heard),
                    Numbered::Late => return (Outcome::Reordered, heard),
                    Numbered::New => {}
                }
                boot.clock.observe(arrival, report.uptime);
                boot.newest = report.uptime;
                boot.arrived = arrival;
            } else if report.boot_id > boot.id || boot.may_be_forgotten(arrival, freshness) {
                heard.reports_lost += boot.take_missing();
                let began = Timestamp(boot_instant(arrival, report.uptime).max(0) as u64);
                heard.rebooted = Some(began.since(boot.clock.at(boot.newest)));
                self.boot = Some(Boot::new(arrival, report));
                self.epoch += 1;
                self.channels.iter_mut().for_each(ConfiguredChannel::restart);
            } else {
                return (Outcome::Reordered, heard);
            }
        } else {
            self.boot = Some(Boot::new(arrival, report));
        }
        let at = self.boot.as_ref().map_or(arrival, |boot| boot.clock.at(report.uptime)).min(arrival);
        self.last_at = self.last_at.max(at);
        for channel in &mut self.channels {
            match channel.read(report, self.last_at, self.epoch) {
                Ok((reading, saturated)) => {
                    heard.readings.push(reading);
                    heard.saturated |= saturated;
                }
                Err(problem) => heard.problems.push(problem),
            }
        }
        (Outcome::Accepted, heard)
    }
}

impl Boot {
    fn new(arrival: Timestamp, report: &Report) -> Self {
        Self {
            id: report.boot_id,
            numbering: (report.sequence > 0).then(|| numbering(report)),
            clock: MeterClock::new(arrival, report.uptime),
            newest: report.uptime,
            arrived: arrival,
        }
    }

    /// What the report's number and uptime say of it. Numbers begin anew with each subscription; time goes on over all
    /// of them.
    fn number(&mut self, report: &Report, heard: &mut Heard) -> Numbered {
        let newer = report.uptime > self.newest;
        if report.sequence > 0 {
            match self.numbering.as_mut().filter(|(since, _)| *since == report.numbered_since) {
                Some((_, window)) => {
                    let numbered = window.see(report.sequence);
                    heard.reports_lost += window.take_lost();
                    if numbered != Numbered::New {
                        return numbered;
                    }
                }
                None if newer => {
                    heard.reports_lost += self.take_missing();
                    self.numbering = Some(numbering(report));
                }
                None => {}
            }
        }
        if newer { Numbered::New } else { Numbered::Late }
    }

    fn take_missing(&mut self) -> u64 {
        self.numbering.as_mut().map_or(0, |(_, window)| window.take_missing())
    }

    fn may_be_forgotten(&self, now: Timestamp, freshness: Freshness) -> bool {
        match freshness {
            Freshness::Certain => true,
            Freshness::Replayable => false,
            Freshness::Unauthenticated => now.since(self.arrived) >= FORGOTTEN_AFTER,
        }
    }
}

fn numbering(report: &Report) -> (Nanoseconds, SequenceWindow) {
    (report.numbered_since, SequenceWindow::new(report.sequence))
}

impl ConfiguredChannel {
    fn restart(&mut self) {
        if let (Some(shown), Some(energy)) = (self.shown.take(), self.energy.as_mut()) {
            energy.restart(shown.charge);
        }
    }

    fn read(&mut self, report: &Report, at: Timestamp, epoch: u32) -> Result<(Reading, bool), ChannelProblem> {
        let found = report.channels.iter().find(|channel| channel.number == self.number);
        let &Channel { number, charge, energy, current: _, saturated, sensor_failed, uncertainty } =
            found.ok_or(ChannelProblem::Absent(self.number))?;
        if sensor_failed {
            return Err(ChannelProblem::SensorFailed(number));
        }
        if self.shown.is_some_and(|shown| {
            shown.charge.0 > charge.0
                || shown.saturated > saturated
                || shown.energy.is_some() != energy.is_some()
                || shown.energy > energy
        }) {
            return Err(ChannelProblem::WentBack(number));
        }
        let (total, basis) = match (energy, &self.energy) {
            (Some(energy), _) => (energy, uncertainty),
            (None, Some(volts)) => (volts.total(charge), combined(&[uncertainty, self.volts_uncertainty])),
            (None, None) => return Err(ChannelProblem::NoVoltage(number)),
        };
        let (since, at_full_scale) = self
            .shown
            .map_or((Nanoseconds::ZERO, saturated), |shown| (shown.uptime, saturated.saturating_sub(shown.saturated)));
        let share = at_full_scale.seconds() / report.uptime.saturating_sub(since).seconds().max(1e-6);
        self.shown = Some(Shown { charge, energy, saturated, uptime: report.uptime });
        let reading = Reading {
            source: self.source.clone(),
            zone: self.zone.clone(),
            at,
            measure: Measure::Energy(Counter { total, range: CounterRange::Unbounded, epoch, outlives_agent: true }),
            uncertainty: combined(&[basis, of_saturation(share)]),
            clipped: !at_full_scale.is_zero(),
            provenance: Provenance::Measured,
        };
        Ok((reading, !at_full_scale.is_zero()))
    }
}
