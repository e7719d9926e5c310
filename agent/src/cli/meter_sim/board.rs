//! The simulated meter itself: its inputs, its counters, its clock and its boots.

use rand::Rng;

use crate::units::{Microjoules, MilliampereSeconds, Milliamperes, Nanoseconds, Volts, Watts};

/// How long the meter is away when it reboots: neither counting nor answering.
pub const BOOT_TIME: Nanoseconds = Nanoseconds(800_000_000);
/// INA3221 with a 100 mΩ shunt: one step, and the largest current (TI SBOS576C).
const RESOLUTION: Milliamperes = Milliamperes(0.4);
const FULL_SCALE: Milliamperes = Milliamperes(1638.0);

/// What one input has counted since boot.
#[derive(Clone, Copy, Debug, Default)]
pub struct Input {
    /// Charge, as protocol v1 sends it.
    pub charge: MilliampereSeconds,
    /// Energy in millijoules, unrounded.
    energy: f64,
    /// The current at the last conversion.
    pub current: Milliamperes,
    /// How long the input was at full scale.
    pub saturated: Nanoseconds,
}

impl Input {
    /// Energy counted since boot.
    pub fn energy(&self) -> Microjoules {
        Microjoules::from_joules(self.energy / 1e3)
    }

    /// Whether the last conversion was at full scale.
    pub fn is_saturated(&self) -> bool {
        self.current >= FULL_SCALE
    }
}

/// How a simulated meter is made.
#[derive(Clone, Debug)]
pub struct BoardSettings {
    /// How many inputs it has.
    pub channels: u8,
    /// The voltage on all of them.
    pub volts: Volts,
    /// Standard deviation of a conversion, as a fraction of its value.
    pub noise: f64,
    /// How far its clock is off, in parts per million: positive runs fast.
    pub clock_drift_ppm: f64,
    /// The boot id of its first boot.
    pub first_boot_id: u64,
}

/// A meter that counts what flows through its inputs. Time is the simulation's, from zero.
#[derive(Debug)]
pub struct Board {
    settings: BoardSettings,
    inputs: Vec<Input>,
    booted: Nanoseconds,
    boot_id: u64,
    /// Until when every simulated moment is accounted for.
    now: Nanoseconds,
}

impl Board {
    /// One that boots at time zero.
    pub fn new(settings: BoardSettings) -> Self {
        Self {
            inputs: vec![Input::default(); usize::from(settings.channels)],
            booted: Nanoseconds::ZERO,
            boot_id: settings.first_boot_id,
            now: Nanoseconds::ZERO,
            settings,
        }
    }

    /// Counts until `now`, with `power` on every input.
    pub fn count(&mut self, now: Nanoseconds, power: Watts, rng: &mut impl Rng) {
        let step = now.saturating_sub(self.now.max(self.booted));
        self.now = now;
        if step.is_zero() {
            return;
        }
        let Volts(volts) = self.settings.volts;
        for input in &mut self.inputs {
            // The firmware discards the sign.
            let truth = (power.0 / volts * 1e3 * (1.0 + self.settings.noise * gaussian(rng))).abs();
            let converted = (truth / RESOLUTION.0).round() * RESOLUTION.0;
            input.current = Milliamperes(converted.min(FULL_SCALE.0));
            input.charge.0 += input.current.0 * step.seconds();
            input.energy += input.current.0 * volts * step.seconds();
            if input.is_saturated() {
                input.saturated += step;
            }
        }
    }

    /// Loses everything and starts again [`BOOT_TIME`] later.
    pub fn reboot(&mut self) {
        self.inputs.fill(Input::default());
        self.booted = self.now + BOOT_TIME;
        self.boot_id += 1;
    }

    /// Whether it has finished booting.
    pub fn is_up(&self) -> bool {
        self.now >= self.booted
    }

    /// What its own clock shows: microseconds since boot.
    pub fn uptime_micros(&self) -> u64 {
        let span = self.now.saturating_sub(self.booted);
        (span.0 as f64 / 1e3 * (1.0 + self.settings.clock_drift_ppm / 1e6)).round() as u64
    }

    /// Which boot this is.
    pub fn boot_id(&self) -> u64 {
        self.boot_id
    }

    /// An input by its number, from 1.
    pub fn input(&self, number: u32) -> Option<&Input> {
        self.inputs.get(usize::try_from(number).ok()?.checked_sub(1)?)
    }

    /// How many inputs there are.
    pub fn channels(&self) -> u32 {
        u32::from(self.settings.channels)
    }

    /// The voltage on all inputs.
    pub fn volts(&self) -> Volts {
        self.settings.volts
    }
}

/// A sample of the standard normal distribution (Box and Muller 1958).
fn gaussian(rng: &mut impl Rng) -> f64 {
    let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
    radius * (std::f64::consts::TAU * rng.random::<f64>()).cos()
}
