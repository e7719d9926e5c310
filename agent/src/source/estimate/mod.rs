//! A model for machines without a meter: a package's power from its thermal design power and its utilisation.
//!
//! It is a guess and says so: its readings are `Estimated`, with an uncertainty of 30 % where the TDP is configured,
//! 50 % where it is known by the processor's name, and 75 % where there is only a figure per CPU. These are assumptions
//! of ours: the same CPU time can mean 50 % different energy, and a TDP is a limit for cooling, not a measurement.

mod curve;
mod processors;
#[cfg(test)]
mod tests;

use crate::activity::{ActivityWindow, Topology};
use crate::clock::Timestamp;
use crate::config::EstimateConfig;
use crate::notice::Notice;
use crate::source::{Counter, CounterRange, IdlePower, Measure, Provenance, Reading, SourceId, Zone, ZoneName};
use crate::units::{Microjoules, Nanoseconds, RelativeUncertainty, Watts};

use self::curve::{IDLE_SHARE, share_of_tdp};
use self::processors::Processor;
pub use self::processors::cpu_model;

/// Full power per CPU (hardware thread) where the model is not known: what current servers have (350 W for 112 threads
/// to 360 W for 192) up to what older desktops have (65 W for 12), in round figures; other architectures are smaller.
const WATTS_PER_CPU: f64 = if cfg!(target_arch = "x86_64") { 4.0 } else { 1.5 };

static BAD_CONFIG: Notice = Notice::new("estimate_config");

/// Energy of every package by model.
#[derive(Debug)]
pub struct Estimate {
    id: SourceId,
    packages: Vec<Package>,
    idle_share: f64,
    basis: Basis,
}

/// Where the TDP is from.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Basis {
    Configured,
    Model(&'static str),
    PerCpu,
}

#[derive(Debug)]
struct Package {
    socket: u32,
    tdp: Watts,
    total: Microjoules,
    /// What is short of a whole microjoule.
    rest: f64,
    begun: bool,
}

impl Estimate {
    /// For the packages of `topology`, by the configured TDP, else by the processor's name ([`cpu_model`]). A machine
    /// that has only some of its processor's threads (a virtual one) has that part of its TDP.
    pub fn new(config: &EstimateConfig, model_name: &str, topology: &Topology) -> Self {
        let known = Processor::find(model_name);
        let configured =
            config.tdp.filter(|tdp| usable(tdp.0 > 0.0 && tdp.0.is_finite(), "source.estimate.tdp", tdp.0));
        let idle_share = config
            .idle_share
            .filter(|&share| usable((0.0..=1.0).contains(&share), "source.estimate.idle_share", share))
            .or(known.map(|processor| processor.idle_share))
            .unwrap_or(IDLE_SHARE);
        let basis = match (configured, known) {
            (Some(_), _) => Basis::Configured,
            (None, Some(processor)) => Basis::Model(processor.model),
            (None, None) => Basis::PerCpu,
        };
        let packages = topology.packages().into_iter().map(|socket| {
            let cpus = topology.cpus_in(Some(socket));
            let by_model =
                |processor: &Processor| Watts(processor.tdp.0 * (cpus as f64 / processor.threads as f64).min(1.0));
            let tdp = configured.or(known.map(by_model)).unwrap_or(Watts(WATTS_PER_CPU * cpus as f64));
            Package { socket, tdp, total: Microjoules::ZERO, rest: 0.0, begun: false }
        });
        Self { id: SourceId("estimate".into()), packages: packages.collect(), idle_share, basis }
    }

    /// The zones that it estimates.
    pub fn zones(&self) -> Vec<Zone> {
        self.packages.iter().map(Package::zone).collect()
    }

    /// What each zone draws by the model when nothing runs.
    pub fn idle_powers(&self) -> Vec<IdlePower> {
        let idle = |package: &Package| IdlePower {
            source: self.id.clone(),
            zone: package.zone(),
            power: Watts(package.tdp.0 * share_of_tdp(0.0, self.idle_share)),
        };
        self.packages.iter().map(idle).collect()
    }

    /// What the estimate rests on, for people: `package-0 12.0 W idle to 102.0 W at full load, ±30%, from ...`.
    pub fn describe(&self) -> String {
        let from = match self.basis {
            Basis::Configured => "the configured TDP".to_owned(),
            Basis::Model(model) => format!("the TDP of {model}"),
            Basis::PerCpu => format!("{WATTS_PER_CPU} W per CPU, the processor's model not being known"),
        };
        let packages = self.packages.iter().map(|package| {
            let watts = |utilisation| package.tdp.0 * share_of_tdp(utilisation, self.idle_share);
            format!("{} {:.1} W idle to {:.1} W at full load", package.zone(), watts(0.0), watts(1.0))
        });
        let packages = packages.collect::<Vec<_>>().join(", ");
        format!("{packages}, ±{:.0}%, from {from}", self.uncertainty().0 * 100.0)
    }

    /// Whether it knows the TDP, from the configuration or by the processor's name.
    pub fn knows_tdp(&self) -> bool {
        self.basis != Basis::PerCpu
    }

    /// Appends each package's counter at the end of `window` to `readings`, and the first time also at its beginning.
    /// Windows follow each other without gaps.
    pub fn readings(&mut self, window: &ActivityWindow, readings: &mut Vec<Reading>) {
        let uncertainty = self.uncertainty();
        for package in &mut self.packages {
            if !package.begun {
                package.begun = true;
                readings.push(package.reading(&self.id, window.from, uncertainty));
            }
            let share = share_of_tdp(utilisation(window, package.socket), self.idle_share);
            package.add(Watts(package.tdp.0 * share), window.length());
            readings.push(package.reading(&self.id, window.to, uncertainty));
        }
    }

    fn uncertainty(&self) -> RelativeUncertainty {
        RelativeUncertainty(match self.basis {
            Basis::Configured => 0.30,
            Basis::Model(_) => 0.50,
            Basis::PerCpu => 0.75,
        })
    }
}

impl Package {
    fn zone(&self) -> Zone {
        Zone { name: ZoneName::Package, socket: Some(self.socket) }
    }

    /// Adds energy and carries what is short of a whole microjoule, so that windows of any length sum up to the same.
    fn add(&mut self, power: Watts, time: Nanoseconds) {
        let energy = power.0 * time.0 as f64 / 1e3 + self.rest;
        let whole = energy.floor();
        self.total += Microjoules(whole as u64);
        self.rest = energy - whole;
    }

    fn reading(&self, source: &SourceId, at: Timestamp, uncertainty: RelativeUncertainty) -> Reading {
        Reading {
            source: source.clone(),
            zone: self.zone(),
            at,
            measure: Measure::Energy(Counter {
                total: self.total,
                range: CounterRange::Unbounded,
                epoch: 0,
                outlives_agent: false,
            }),
            uncertainty,
            clipped: false,
            provenance: Provenance::Estimated,
        }
    }
}

/// The part of a package's CPU time in which something ran; none where no time passed.
fn utilisation(window: &ActivityWindow, socket: u32) -> f64 {
    let busy = window.busy(Some(socket));
    let idle: Nanoseconds = (0_u16..)
        .zip(&window.idle)
        .filter(|(shard, _)| window.topology.package_of(crate::activity::ShardId(*shard)) == socket)
        .map(|(_, idle)| *idle)
        .sum();
    let all = busy + idle;
    if all.is_zero() { 0.0 } else { busy.0 as f64 / all.0 as f64 }
}

fn usable(usable: bool, key: &str, value: f64) -> bool {
    if !usable {
        BAD_CONFIG
            .warn(format_args!("{key} = {value} makes no sense and is not used: see the configuration's description"));
    }
    usable
}
