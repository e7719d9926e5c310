//! What the agent itself costs.

use std::collections::VecDeque;

use serde::Serialize;

use crate::clock::Timestamp;
use crate::export::prometheus::{OwnProcess, telemetry_sum};
use crate::snapshot::{LineState, Snapshot};
use crate::telemetry::{self, OwnMetric};
use crate::units::{Microjoules, Nanoseconds};

use super::headline::Headline;

/// Over how many looks, a second apart, CPU time is averaged.
const LOOKS: usize = 60;

/// Kept up to date once a second.
#[derive(Debug, Default)]
pub(super) struct OwnCost {
    looks: VecDeque<(Timestamp, Nanoseconds)>,
    windows: u64,
    energy: Option<Microjoules>,
    watts: Option<f64>,
}

/// As it is sent.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Cost {
    /// Mean over the last minute.
    cpu_cores: f64,
    cpu_nanoseconds: Nanoseconds,
    resident_bytes: Option<u64>,
    /// Of the headline's zones, since the books were begun; none where no process of this number is in them.
    microjoules: Option<Microjoules>,
    watts: Option<f64>,
    windows: u64,
    windows_missed: u64,
    events_lost: u64,
    /// None where the kernel does not measure it (`kernel.bpf_stats_enabled`).
    kernel_nanoseconds_per_switch: Option<f64>,
}

impl OwnCost {
    /// Takes what the agent itself used from a picture of changes.
    pub(super) fn take(&mut self, picture: &Snapshot, headline: Option<&Headline>) {
        self.windows = picture.generation.0;
        self.looks.push_back((Timestamp::now(), OwnProcess::cpu()));
        if self.looks.len() > LOOKS + 1 {
            self.looks.pop_front();
        }
        let Some(headline) = headline else { return };
        let own = picture
            .processes
            .iter()
            .filter(|line| line.consumer.pid.0 == std::process::id() && line.state == LineState::Running);
        for line in own {
            self.energy = Some(headline.energy(&line.energy));
            self.watts =
                Some(line.energy.iter().filter(|energy| headline.has(energy.zone)).map(|energy| energy.power.0).sum());
        }
    }

    /// `telemetry` is the agent's own, in text.
    pub(super) fn now(&self, telemetry: &str) -> Cost {
        let cpu_cores = match (self.looks.front(), self.looks.back()) {
            (Some(first), Some(last)) if last.0 > first.0 => {
                last.1.saturating_sub(first.1).0 as f64 / last.0.since(first.0).0 as f64
            }
            _ => 0.0,
        };
        let own = OwnProcess::read();
        let count = |metric: OwnMetric| telemetry_sum(telemetry, metric.name).unwrap_or_default() as u64;
        Cost {
            cpu_cores,
            cpu_nanoseconds: own.cpu,
            resident_bytes: own.resident_bytes,
            microjoules: self.energy,
            watts: self.watts,
            windows: self.windows,
            windows_missed: count(telemetry::WINDOWS_MISSED),
            events_lost: count(telemetry::EVENTS_LOST),
            kernel_nanoseconds_per_switch: telemetry_sum(telemetry, telemetry::SWITCH_COST.name)
                .map(|seconds| seconds * 1e9),
        }
    }
}
