//! A configured meter: its name, its key and what it has said.

use std::path::PathBuf;

use crate::clock::Timestamp;
use crate::config::MeterConfig;
use crate::source::metering::MeterTelemetry;
use crate::source::{Reading, SourceEnd, SourceId};

use super::device_state::{DeviceState, Freshness};
use super::frame::Key;
use super::wire::Report;

/// A configured meter.
#[derive(Debug)]
pub(super) struct Device {
    /// Its name, as it sends it.
    pub(super) name: String,
    pub(super) key: Option<Key>,
    pub(super) state: DeviceState,
    pub(super) telemetry: MeterTelemetry,
}

impl Device {
    /// `configs` are those of its channels.
    pub(super) fn new(name: &str, configs: &[&MeterConfig]) -> Result<Self, SourceEnd> {
        let id = SourceId(format!("meter:{name}").into());
        let fatal = |message: &str| SourceEnd::Fatal(format!("{id}: {message}"));
        let mut files = configs.iter().map(|config| &config.key_file);
        let file: Option<&PathBuf> = files.next().and_then(Option::as_ref);
        if !files.all(|other| other.as_ref() == file) {
            return Err(fatal("its channels have different key files: a meter has one key for all"));
        }
        let key = file.map(|path| Key::read(path)).transpose().map_err(|message| fatal(&message))?;
        let state = DeviceState::new(configs.iter().copied());
        Ok(Self { name: name.into(), key, state, telemetry: MeterTelemetry::new(id) })
    }

    /// Takes a report of this meter and hands its readings to `deliver`.
    pub(super) fn hear(
        &mut self,
        arrival: Timestamp,
        report: &Report,
        freshness: Freshness,
        deliver: &mut impl FnMut(Reading),
    ) {
        let (outcome, heard) = self.state.report(arrival, report, freshness);
        self.telemetry.datagram(outcome);
        self.telemetry.reports_lost(heard.reports_lost);
        if let Some(lost) = heard.rebooted {
            self.telemetry.rebooted(lost);
        }
        if heard.saturated {
            self.telemetry.saturated();
        }
        for problem in heard.problems {
            self.telemetry.no_reading(problem);
        }
        heard.readings.into_iter().for_each(deliver);
    }
}
