//! A model for machines without a meter: power by load, from the best that is known of the machine.
//!
//! That is a power profile (`power_profile`): of a cloud instance as a Boavizta server describes it (`boavizta`), or of a
//! machine of the same kind that has a meter (`prony calibrate`); else a table in the configuration; else the processor's
//! thermal design power (`tdp_curve`, `processors`).
//!
//! It is a guess and says so: its readings are `Estimated`. By a TDP, their uncertainty is 30 % where it is configured,
//! 50 % where it is known by the processor's name, and 75 % where there is only a figure per CPU. These are assumptions
//! of ours: the same CPU time can mean 50 % different energy, and a TDP is a limit for cooling, not a measurement.

pub mod boavizta;
mod choice;
mod estimated_zone;
mod load_points;
mod log_curve;
mod power_curve;
mod power_profile;
mod processors;
mod profile_document;
mod tdp_curve;
#[cfg(test)]
mod tests;
mod zone_power;

use crate::activity::{ActivityWindow, Topology};
use crate::config::EstimateConfig;
use crate::source::{IdlePower, Reading, SourceId, Zone};

use self::choice::{Basis, Choice};
use self::estimated_zone::EstimatedZone;
pub use self::load_points::{LoadPoints, NotLoadPoints};
pub use self::log_curve::LogCurve;
pub use self::power_curve::PowerCurve;
pub use self::power_profile::{PowerProfile, PowerProfileError};
pub use self::processors::cpu_model;
pub use self::profile_document::NotAPowerProfile;
pub use self::zone_power::ZonePower;

/// Energy of zones by model.
#[derive(Debug)]
pub struct Estimate {
    id: SourceId,
    zones: Vec<EstimatedZone>,
    basis: Basis,
    remarks: Vec<String>,
}

impl Estimate {
    /// For the machine of `topology`, whose processor has this name ([`cpu_model`]): by `profile`, else by what is configured,
    /// else by the name. What is of no use on this machine is told and not used.
    pub fn new(config: &EstimateConfig, profile: Option<&PowerProfile>, model_name: &str, topology: &Topology) -> Self {
        let Choice { powers, basis, remarks } = Choice::make(config, profile, model_name, topology);
        let mut zones: Vec<EstimatedZone> = Vec::new();
        for power in powers {
            for (zone, part) in power.of_machine(topology) {
                // A zone has one counter; the first goes.
                if zones.iter().all(|it| it.zone != zone) {
                    zones.push(EstimatedZone::new(zone, power.curve.clone(), part, power.uncertainty));
                }
            }
        }
        Self { id: SourceId(basis.source().into()), zones, basis, remarks }
    }

    /// The zones that it estimates.
    pub fn zones(&self) -> Vec<Zone> {
        self.zones.iter().map(|it| it.zone.clone()).collect()
    }

    /// What each zone draws by the model when nothing runs.
    pub fn idle_powers(&self) -> Vec<IdlePower> {
        let idle = |it: &EstimatedZone| IdlePower { source: self.id.clone(), zone: it.zone.clone(), power: it.at(0.0) };
        self.zones.iter().map(idle).collect()
    }

    /// What the estimate rests on, for people: `package-0 12.0 W idle to 102.0 W at full load, ±30%, from ...`.
    pub fn describe(&self) -> String {
        let percent = |it: &EstimatedZone| format!("±{:.0}%", it.uncertainty.0 * 100.0);
        let alike = self.zones.iter().all(|it| percent(it) == percent(&self.zones[0]));
        let zones = self.zones.iter().map(|it| {
            let sure = if alike { String::new() } else { format!(" {}", percent(it)) };
            format!("{} {:.1} W idle to {:.1} W at full load{sure}", it.zone, it.at(0.0).0, it.at(100.0).0)
        });
        let zones = zones.collect::<Vec<_>>().join(", ");
        let sure = self.zones.first().filter(|_| alike).map(|it| format!(", {}", percent(it))).unwrap_or_default();
        format!("{zones}{sure}, from {}", self.basis)
    }

    /// Whether it rests on a profile.
    pub fn has_profile(&self) -> bool {
        matches!(self.basis, Basis::Profile { .. })
    }

    /// What should be known of what it rests on: warnings of a profile, and what does not go with this machine.
    pub fn remarks(&self) -> &[String] {
        &self.remarks
    }

    /// What would make it better on a machine whose processor has this name.
    pub fn better(&self, model_name: &str) -> String {
        self.basis.better(model_name)
    }

    /// Appends each zone's counter at the end of `window` to `readings`, and the first time also at its beginning.
    /// Windows follow each other without gaps.
    pub fn readings(&mut self, window: &ActivityWindow, readings: &mut Vec<Reading>) {
        for zone in &mut self.zones {
            zone.read(&self.id, window, readings);
        }
    }
}
