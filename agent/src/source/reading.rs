//! What a source says.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::shared_text;
use crate::units::{Microjoules, Nanoseconds, RelativeUncertainty, Watts};

/// The name of one configured source, for example `rapl-perf` or `esp32:192.0.2.10:30000/2`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SourceId(#[serde(with = "shared_text")] pub Arc<str>);

impl fmt::Display for SourceId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

/// Which part of the machine a reading is of. The first five are Kepler's and the kernel's own names (`rapl_domain_names` in
/// `drivers/powercap/intel_rapl_common.c`). Zones overlap (`Core` lies within `Package`, both within `Node`): they
/// are never added up.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
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
    /// What the machine uses beside its packages and their memory: reckoned, where both are measured.
    Rest,
    /// One supply rail, under the name that its driver or configuration gives it.
    Rail(#[serde(with = "shared_text")] Arc<str>),
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
            Self::Rest => "rest",
            Self::Rail(name) => name,
        })
    }
}

/// A text that is the name of no zone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' is no zone name: {fix}")]
pub struct NotAZone {
    text: String,
    fix: &'static str,
}

/// The longest name that a rail may have, in bytes.
const LONGEST_RAIL: usize = 64;

impl ZoneName {
    /// The zones with a name of their own that meters measure, that is all but the rails.
    pub const WELL_KNOWN: [Self; 6] = [Self::Package, Self::Core, Self::Uncore, Self::Dram, Self::Psys, Self::Node];

    fn well_known(text: &str) -> Option<Self> {
        Self::WELL_KNOWN.into_iter().find(|name| name.to_string() == text)
    }
}

impl FromStr for ZoneName {
    type Err = NotAZone;

    /// A well-known name, else a rail. `package-0` is a [`Zone`], not a name.
    fn from_str(text: &str) -> Result<Self, NotAZone> {
        let refuse = |fix| NotAZone { text: text.into(), fix };
        if let Some(name) = Self::well_known(text) {
            return Ok(name);
        }
        if text == Self::Rest.to_string() {
            return Err(refuse(
                "the rest is reckoned where a meter of the node is beside RAPL; give the zone another name",
            ));
        }
        if text.is_empty() || text.len() > LONGEST_RAIL || text.trim() != text || text.chars().any(char::is_control) {
            return Err(refuse("write 1 to 64 printable characters with no space at either end"));
        }
        match split_socket(text) {
            Some(_) => Err(refuse("leave out the socket's number")),
            None => Ok(Self::Rail(text.into())),
        }
    }
}

/// Splits `package-0` into `Package` and `0`; `None` for names that carry no socket's number.
fn split_socket(text: &str) -> Option<(ZoneName, &str)> {
    let (name, socket) = text.rsplit_once('-')?;
    let digits = !socket.is_empty() && socket.bytes().all(|byte| byte.is_ascii_digit());
    ZoneName::well_known(name).filter(|_| digits).map(|name| (name, socket))
}

/// A zone of one socket, or of the whole machine.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
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

impl Zone {
    /// The zone that a checked configuration names. What is no zone's name (a check would have refused it) is a rail.
    pub fn from_config(text: &str) -> Self {
        text.parse().unwrap_or_else(|_| Self { name: ZoneName::Rail(text.into()), socket: None })
    }
}

impl FromStr for Zone {
    type Err = NotAZone;

    /// What `Display` writes: `node`, `psys`, `package-0`, or a rail's name. `package`, `core`, `uncore` and `dram`
    /// are always of a socket; without a number they are of the first.
    fn from_str(text: &str) -> Result<Self, NotAZone> {
        let refuse = |fix| NotAZone { text: text.into(), fix };
        match split_socket(text) {
            Some((ZoneName::Node, _)) => Err(refuse("the node has no sockets: write 'node'")),
            Some((name, socket)) => {
                let socket = socket.parse().map_err(|_| refuse("the socket's number is too large"))?;
                Ok(Self { name, socket: Some(socket) })
            }
            None => {
                let name = text.parse()?;
                let of_a_socket =
                    matches!(name, ZoneName::Package | ZoneName::Core | ZoneName::Uncore | ZoneName::Dram);
                Ok(Self { name, socket: of_a_socket.then_some(0) })
            }
        }
    }
}

/// Where a figure comes from; ordered from the best to the least.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    /// (a rebooted meter). What it shows after that is new energy. It begins at 0 with every agent.
    pub epoch: u32,
    /// Whether it counts on while no agent runs, and shows the next agent all that was used meanwhile.
    pub outlives_agent: bool,
}

/// What was measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Measure {
    /// A cumulative energy counter.
    Energy(Counter),
    /// The mean power since the reading before, for meters that count nothing.
    Power(Watts),
}

/// What a zone draws by a source that knows it, when nothing runs.
#[derive(Clone, Debug, PartialEq)]
pub struct IdlePower {
    /// Who knows it.
    pub source: SourceId,
    /// Of which zone.
    pub zone: Zone,
    /// How much.
    pub power: Watts,
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
    /// Whether the meter was at the end of its range since the reading before, at least for a part of the time, so that what it
    /// says is less than was used.
    pub clipped: bool,
    /// `Measured` for a meter, `Estimated` for a model.
    pub provenance: Provenance,
}

/// How often a processor's own energy counters are updated (Intel SDM vol. 3B, 16.10.2: about every millisecond; Hähnel et al.,
/// "Measuring energy consumption for short code paths using RAPL", 2012).
pub const PROCESSORS_UPDATE: Nanoseconds = Nanoseconds(976_600);

impl Reading {
    /// Whether it is of a processor's own energy counter, which is updated every [`PROCESSORS_UPDATE`], nobody knows when.
    pub fn is_processors_own(&self) -> bool {
        let of_processor = matches!(
            self.zone.name,
            ZoneName::Package | ZoneName::Core | ZoneName::Uncore | ZoneName::Dram | ZoneName::Psys
        );
        of_processor && self.provenance == Provenance::Measured && matches!(self.measure, Measure::Energy(_))
    }

    /// The variance of the energy between two readings at this power because it is not known when they were updated, square
    /// microjoules: at both ends a time that is anywhere within the time between updates.
    pub fn timing_variance(&self, Watts(power): Watts) -> f64 {
        if !self.is_processors_own() {
            return 0.0;
        }
        // Watts are thousandths of microjoules a nanosecond.
        (power * PROCESSORS_UPDATE.0 as f64 / 1e3).powi(2) / 6.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn zones_are_read_as_they_are_written() {
        for text in
            ["package-0", "core-12", "dram-0", "psys", "psys-1", "node", "VDD_IN", "package-0-die-1", "ina3221 ch 2"]
        {
            assert_eq!(text.parse::<Zone>().unwrap().to_string(), text);
        }
        assert_eq!("package".parse(), Ok(Zone { name: ZoneName::Package, socket: Some(0) }));
        assert_eq!("dram-1".parse(), Ok(Zone { name: ZoneName::Dram, socket: Some(1) }));
        assert_eq!("VDD-1".parse(), Ok(Zone { name: ZoneName::Rail("VDD-1".into()), socket: None }));
    }

    #[test]
    fn what_is_no_zone_is_refused() {
        for text in ["", "rest", " node", "a\tb", "node-0", "package-99999999999", &"x".repeat(65)] {
            assert!(text.parse::<Zone>().is_err(), "{text:?}");
        }
        assert!("package-0".parse::<ZoneName>().is_err());
    }

    proptest! {
        #[test]
        fn reading_any_text_and_writing_it_again_keeps_it(text in any::<String>()) {
            if let Ok(zone) = text.parse::<Zone>() {
                prop_assert_eq!(zone.to_string().parse::<Zone>(), Ok(zone));
            }
        }
    }
}
