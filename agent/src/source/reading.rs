//! What a source says.

use std::fmt;
use std::sync::Arc;

use crate::clock::Timestamp;
use crate::units::{Microjoules, RelativeUncertainty, Watts};

/// The name of one configured source, for example `rapl-perf` or `esp32:192.0.2.10:30000/2`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceId(pub Arc<str>);

impl fmt::Display for SourceId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

/// Which part of the machine a reading is of. The first five are Kepler's and the kernel's own names (drivers/powercap/
/// intel_rapl_common.c, `rapl_domain_names`). Zones overlap (`Core` lies within `Package`, both within `Node`): they
/// are never added up.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ZoneName {
    /// A processor package.
    Package,
    /// All cores of a package.
    Core,
    /// What of a package is not its cores.
    Uncore,
    /// Memory.
    Dram,
    /// The platform, as far as the processor knows it.
    Psys,
    /// The whole board or machine, by a meter of its own.
    Node,
    /// One supply rail, under the name that its driver or configuration gives it.
    Rail(Arc<str>),
}

impl fmt::Display for ZoneName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Package => "package",
            Self::Core => "core",
            Self::Uncore => "uncore",
            Self::Dram => "dram",
            Self::Psys => "psys",
            Self::Node => "node",
            Self::Rail(name) => name,
        })
    }
}

/// A zone of one socket, or of the whole machine.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Zone {
    /// What it covers.
    pub name: ZoneName,
    /// The package it belongs to; `None` for zones of the whole machine.
    pub socket: Option<u32>,
}

impl fmt::Display for Zone {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.socket {
            Some(socket) => write!(out, "{}-{socket}", self.name),
            None => self.name.fmt(out),
        }
    }
}

/// Where a figure comes from; ordered from the best to the least.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Provenance {
    /// A meter measured this zone over this very window.
    Measured,
    /// A meter measured it over a longer time, or several meters were combined; a model says how much fell into the window.
    Fused,
    /// No meter: a model of the machine.
    Estimated,
}

impl Provenance {
    /// The word used in every output.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Measured => "measured",
            Self::Fused => "fused",
            Self::Estimated => "estimated",
        }
    }
}

/// How an energy counter behaves at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CounterRange {
    /// It is wide enough never to wrap.
    Unbounded,
    /// After this value comes zero (powercap's `max_energy_range_uj`).
    WrapsAfter(Microjoules),
}

/// A cumulative energy counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counter {
    /// Its value.
    pub total: Microjoules,
    /// What comes after its largest value.
    pub range: CounterRange,
    /// A number that changes whenever the counter has begun anew from zero for a reason that the source knows
    /// (a rebooted meter). What it shows after that is new energy.
    pub epoch: u32,
}

/// What was measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Measure {
    /// A cumulative energy counter.
    Energy(Counter),
    /// The mean power since the reading before, for meters that count nothing.
    Power(Watts),
}

/// One reading of one zone.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// Which source says so.
    pub source: SourceId,
    /// Of what.
    pub zone: Zone,
    /// As of when.
    pub at: Timestamp,
    /// What.
    pub measure: Measure,
    /// How sure the source is of the energy between two readings.
    pub uncertainty: RelativeUncertainty,
    /// `Measured` for a meter, `Estimated` for a model.
    pub provenance: Provenance,
}
