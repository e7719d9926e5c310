//! What meters see of a machine's power.

use rand::Rng;
use rand::rngs::SmallRng;
use serde_json::{Value, json};

use super::machine::STEP;

/// RAPL's unit of energy on most processors, microjoules (2^-14 J; Intel SDM vol. 4, `MSR_RAPL_POWER_UNIT`).
const RAPL_UNIT: f64 = 61.035;
/// What an INA3221 resolves over 0.1 ohm: 40 uV (its data sheet, 8.6.2), milliamperes.
const SHUNT_STEP: f64 = 0.4;
/// How far its zero is off at most: 80 uV, milliamperes.
const SHUNT_OFFSET: f64 = 0.8;

/// Which meters a trace has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meters {
    /// RAPL, and the whole machine's once a second.
    All,
    /// RAPL only.
    Rapl,
    /// RAPL, and what the processor's counters count of whoever runs.
    RaplAndCounters,
    /// Only that of the whole machine.
    Node,
}

/// RAPL's counters of packages: updated about once a millisecond, at moments that nobody knows.
#[derive(Debug)]
pub(super) struct Rapl {
    energies: Vec<f64>,
    shown: Vec<f64>,
}

impl Rapl {
    pub(super) fn new(packages: usize) -> Self {
        Self { energies: vec![0.0; packages], shown: vec![0.0; packages] }
    }

    pub(super) fn step(&mut self, watts: &[f64], random: &mut SmallRng) {
        for ((energy, shown), watts) in self.energies.iter_mut().zip(&mut self.shown).zip(watts) {
            *shown = *energy + watts * STEP * random.random_range(0.0..1.0);
            *energy += watts * STEP;
        }
    }

    /// What the counters show, joules.
    pub(super) fn shown(&self) -> &[f64] {
        &self.shown
    }

    /// The lines of a reading at a time, nanoseconds.
    pub(super) fn read(&self, at: u64) -> impl Iterator<Item = Value> {
        self.shown.iter().enumerate().map(move |(package, shown)| {
            let total = (shown * 1e6 / RAPL_UNIT).floor() * RAPL_UNIT;
            let reading = json!({
                "source": "rapl", "zone": "package", "socket": package, "cumulative_uj": total as u64, "uncertainty": 0.005,
            });
            json!({ "at_ns": at, "reading": reading })
        })
    }
}

/// A meter of the whole machine with a clock of its own that sends a datagram a second, of which some get lost.
#[derive(Debug)]
pub(super) struct NodeMeter {
    volts: f64,
    gain: f64,
    offset: f64,
    drift: f64,
    next: f64,
    charge: f64,
    milliamperes: f64,
}

impl NodeMeter {
    /// At a supply of so many volts. How far its gain and zero are off is drawn.
    pub(super) fn new(volts: f64, random: &mut SmallRng) -> Self {
        Self {
            volts,
            gain: 1.0 + random.random_range(-0.0025..0.0025),
            offset: random.random_range(-SHUNT_OFFSET..SHUNT_OFFSET),
            drift: random.random_range(-100e-6..100e-6),
            next: 1.0,
            charge: 0.0,
            milliamperes: 0.0,
        }
    }

    /// Goes on by a step to a time in seconds; the line of a datagram, if one arrives.
    pub(super) fn step(&mut self, watts: f64, at: f64, random: &mut SmallRng) -> Option<Value> {
        let current = watts / self.volts * 1e3 * self.gain + self.offset;
        self.milliamperes = (current / SHUNT_STEP).round().max(0.0) * SHUNT_STEP;
        self.charge += self.milliamperes * STEP;
        let uptime = at * (1.0 + self.drift);
        if uptime < self.next {
            return None;
        }
        self.next += 1.0;
        let (delay, is_lost) = (random.random_range(0.001..0.03), random.random_range(0.0..1.0) < 0.03);
        let esp32 = json!({
            "channel": 1, "meter_us": (uptime * 1e6) as u64, "charge_mas": self.charge, "current_ma": self.milliamperes,
        });
        let arrives = ((at + delay) * 1e9) as u64;
        (!is_lost).then(|| json!({ "at_ns": arrives, "esp32": esp32 }))
    }
}
