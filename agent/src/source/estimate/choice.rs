//! What an estimate is made from: the best of what there is.

use std::fmt;

use crate::activity::Topology;
use crate::config::{EstimateConfig, EstimateTable};
use crate::notice::Notice;
use crate::source::{Zone, ZoneName};
use crate::units::{RelativeUncertainty, Watts};

use super::load_points::{LoadPoints, NotLoadPoints};
use super::power_curve::PowerCurve;
use super::power_profile::PowerProfile;
use super::processors::{Processor, contains_word};
use super::tdp_curve::{IDLE_SHARE, by_tdp};
use super::zone_power::ZonePower;

/// Full power per CPU (hardware thread) where the model is not known: what current servers have (350 W for 112 threads
/// to 360 W for 192) up to what older desktops have (65 W for 12), in round figures; other architectures are smaller.
const WATTS_PER_CPU: f64 = if cfg!(target_arch = "x86_64") { 4.0 } else { 1.5 };

static BAD_CONFIG: Notice = Notice::new("estimate_config");

/// What was chosen.
#[derive(Debug)]
pub(super) struct Choice {
    pub(super) powers: Vec<ZonePower>,
    pub(super) basis: Basis,
    /// What should be known of it.
    pub(super) remarks: Vec<String>,
}

/// Where the figures are from.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Basis {
    /// Of this, by that.
    Profile {
        subject: String,
        origin: String,
    },
    /// In the configuration: for processors of this name, or for this machine.
    Table(Option<String>),
    Configured,
    Model(&'static str),
    PerCpu,
}

impl Choice {
    /// The profile, where it has a zone of this machine; else the tables for this processor, else those for any; else the TDP.
    pub(super) fn make(
        config: &EstimateConfig,
        profile: Option<&PowerProfile>,
        model_name: &str,
        topology: &Topology,
    ) -> Self {
        let mut unused = None;
        if let Some(profile) = profile {
            let own: Vec<_> =
                profile.zones.iter().filter(|power| !power.of_machine(topology).is_empty()).cloned().collect();
            if !own.is_empty() {
                return Self::by_profile(profile, own, topology);
            }
            unused = Some(format!("the power profile of {} has no zone that is on this machine", profile.subject));
        }
        let by_tables = Self::by_tables(&config.table, model_name, topology);
        let choice = by_tables.unwrap_or_else(|| Self::by_tdp(config, model_name, topology));
        Self { remarks: unused.into_iter().chain(choice.remarks).collect(), ..choice }
    }

    fn by_profile(profile: &PowerProfile, own: Vec<ZonePower>, topology: &Topology) -> Self {
        let PowerProfile { subject, origin, cpus, warnings, .. } = profile;
        let here = topology.cpus().len();
        let other_size = (*cpus != here)
            .then(|| format!("{subject} has {cpus} CPUs, and this machine {here}: is it the right profile?"));
        let left_out = profile.zones.iter().filter(|power| !own.contains(power));
        let left_out = left_out.map(|power| format!("the profile's {} is not on this machine", power.zone));
        let remarks = warnings.iter().cloned().chain(other_size).chain(left_out).collect();
        let basis = Basis::Profile { subject: subject.clone(), origin: origin.clone() };
        Self { powers: own, basis, remarks }
    }

    /// The table with the longest name that the processor's contains, and those beside it for other zones.
    fn by_tables(tables: &[EstimateTable], model_name: &str, topology: &Topology) -> Option<Self> {
        let mut fitting: Vec<_> = tables
            .iter()
            .filter(|table| table.cpu_model.as_deref().is_none_or(|model| contains_word(model_name, model)))
            .collect();
        let length = |table: &EstimateTable| table.cpu_model.as_ref().map_or(0, String::len);
        fitting.sort_by_key(|table| std::cmp::Reverse(length(table)));
        let best = fitting.first()?;
        let basis = Basis::Table(best.cpu_model.clone());
        let of_best = fitting.iter().filter(|table| table.cpu_model == best.cpu_model);
        let powers = of_best.filter_map(|table| power(table));
        let (powers, absent): (Vec<_>, Vec<_>) = powers.partition(|power| !power.of_machine(topology).is_empty());
        let remark = |power: &ZonePower| format!("the table of {} is of no zone on this machine", power.zone);
        let remarks: Vec<_> = absent.iter().map(remark).collect();
        if powers.is_empty() {
            for remark in remarks {
                BAD_CONFIG.warn(remark);
            }
            return None;
        }
        Some(Self { powers, basis, remarks })
    }

    fn by_tdp(config: &EstimateConfig, model_name: &str, topology: &Topology) -> Self {
        let known = Processor::find(model_name);
        let configured =
            config.tdp.filter(|tdp| usable(tdp.0 > 0.0 && tdp.0.is_finite(), "source.estimate.tdp", tdp.0));
        let idle_share = config
            .idle_share
            .filter(|&share| usable((0.0..=1.0).contains(&share), "source.estimate.idle_share", share))
            .or(known.map(|processor| processor.idle_share))
            .unwrap_or(IDLE_SHARE);
        let cpus = topology.cpus().len();
        let (tdp, threads, basis) = match (configured, known) {
            (Some(tdp), _) => (tdp, None, Basis::Configured),
            (None, Some(processor)) => (processor.tdp, Some(processor.threads), Basis::Model(processor.model)),
            (None, None) => (Watts(WATTS_PER_CPU * cpus as f64), Some(cpus), Basis::PerCpu),
        };
        let curve = PowerCurve::Points(by_tdp(tdp, idle_share).unwrap_or_else(|| LoadPoints::constant(tdp)));
        let zone = Zone { name: ZoneName::Package, socket: None };
        let power = ZonePower { zone, threads, curve, uncertainty: basis.uncertainty() };
        Self { powers: vec![power], basis, remarks: Vec::new() }
    }
}

impl Basis {
    /// The name of the source that rests on it.
    pub(super) fn source(&self) -> &'static str {
        match self {
            Self::Profile { .. } => "estimate-profile",
            Self::Table(_) => "estimate-table",
            Self::Configured | Self::Model(_) | Self::PerCpu => "estimate",
        }
    }

    /// By a TDP.
    fn uncertainty(&self) -> RelativeUncertainty {
        RelativeUncertainty(match self {
            Self::Configured => 0.30,
            Self::Model(_) => 0.50,
            Self::PerCpu | Self::Profile { .. } | Self::Table(_) => 0.75,
        })
    }

    /// What would make the estimate better.
    pub(super) fn better(&self, model_name: &str) -> String {
        const PROFILE: &str = "name a power profile with source.estimate.profile_file: 'prony import-profile' makes one of a \
             cloud instance, 'prony calibrate --export-profile' of a machine like this that has a meter";
        let model = if model_name.is_empty() { "the processor" } else { model_name };
        match self {
            Self::Profile { .. } => "only a meter would: [[source.esp32]] or [[source.meter]]".into(),
            Self::Table(_) | Self::Configured => PROFILE.into(),
            Self::Model(_) | Self::PerCpu => {
                format!("set source.estimate.tdp to what the data sheet of {model} says; better, {PROFILE}")
            }
        }
    }
}

impl fmt::Display for Basis {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Profile { subject, origin } => write!(out, "the power profile of {subject} ({origin})"),
            Self::Table(Some(model)) => write!(out, "the configured table for {model}"),
            Self::Table(None) => out.write_str("the configured table"),
            Self::Configured => out.write_str("the configured TDP"),
            Self::Model(model) => write!(out, "the TDP of {model}"),
            Self::PerCpu => write!(out, "{WATTS_PER_CPU} W per CPU, the processor's model not being known"),
        }
    }
}

/// What a table says; one that says nothing is told of, though a check of the configuration would have refused it.
fn power(table: &EstimateTable) -> Option<ZonePower> {
    let EstimateTable { zone, points, threads, uncertainty, cpu_model: _ } = table;
    let power = || -> Result<ZonePower, String> {
        Ok(ZonePower {
            zone: ZonePower::zone_of(zone).map_err(|error| error.to_string())?,
            threads: *threads,
            curve: PowerCurve::Points(points.parse().map_err(|error: NotLoadPoints| error.to_string())?),
            uncertainty: RelativeUncertainty(*uncertainty),
        })
    };
    power()
        .inspect_err(|error| BAD_CONFIG.warn(format_args!("a table of source.estimate.table is not used: {error}")))
        .ok()
}

fn usable(usable: bool, key: &str, value: f64) -> bool {
    if !usable {
        BAD_CONFIG
            .warn(format_args!("{key} = {value} makes no sense and is not used: see the configuration's description"));
    }
    usable
}
