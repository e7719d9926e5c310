//! What a zone draws by its load.

use crate::activity::Topology;
use crate::source::{NotAZone, Zone, ZoneName};
use crate::units::RelativeUncertainty;

use super::power_curve::PowerCurve;

/// The power of a zone, of each package, or of a part of either.
#[derive(Clone, Debug, PartialEq)]
pub struct ZonePower {
    /// Of which zone. One of packages without a number stands for that zone of every package.
    pub zone: Zone,
    /// Of how many hardware threads `curve` is. Who has less has that part of its power. `None` for all that are there.
    pub threads: Option<usize>,
    /// What it draws by its load, which is that of its package, else that of the machine.
    pub curve: PowerCurve,
    /// How far that may be off.
    pub uncertainty: RelativeUncertainty,
}

impl ZonePower {
    /// The zone that a text names: `package` stands for every package, `package-0` for the first.
    ///
    /// # Errors
    /// When it names none.
    pub fn zone_of(text: &str) -> Result<Zone, NotAZone> {
        let whole = |name| Zone { name, socket: None };
        text.parse::<ZoneName>().map(whole).or_else(|_| text.parse())
    }

    /// The same with no more digits than mean anything, so that a file of it says exactly that.
    #[must_use]
    pub fn rounded(self) -> Self {
        let uncertainty = RelativeUncertainty(millionths(self.uncertainty.0));
        Self { curve: self.curve.rounded(), uncertainty, ..self }
    }

    /// The zones of a machine that it is of, each with its part of the curve's power.
    pub(super) fn of_machine(&self, topology: &Topology) -> Vec<(Zone, f64)> {
        let part = |socket| {
            let cpus = topology.cpus_in(socket) as f64;
            self.threads.map_or(1.0, |threads| (cpus / threads as f64).min(1.0))
        };
        let of_packages =
            matches!(self.zone.name, ZoneName::Package | ZoneName::Core | ZoneName::Uncore | ZoneName::Dram);
        if !of_packages {
            return vec![(self.zone.clone(), part(None))];
        }
        let packages = topology.packages().into_iter();
        let wanted = packages.filter(|package| self.zone.socket.is_none_or(|socket| socket == *package));
        let zone = |package| Zone { name: self.zone.name.clone(), socket: Some(package) };
        wanted.map(|package| (zone(package), part(Some(package)))).collect()
    }
}

/// The number to a millionth.
pub(super) fn millionths(number: f64) -> f64 {
    (number * 1e6).round() / 1e6
}
