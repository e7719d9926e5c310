//! What packages and their memory have used, as measured by themselves: what a meter of the whole machine is held against.

use std::sync::Arc;

use crate::clock::Timestamp;
use crate::source::{Provenance, Zone, ZoneName};
use crate::units::Nanoseconds;

use super::energy_window::EnergyWindow;
use super::power_model::{ModelsByPackage, PowerModel};
use super::series::Series;

/// After so long without energy of a zone, it is waited for no longer.
const SILENCE: Nanoseconds = Nanoseconds(3 * Nanoseconds::SECOND.0);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Packages {
    zones: Vec<Package>,
}

#[derive(Debug)]
struct Package {
    zone: Zone,
    energy: Series,
    model: Option<Arc<PowerModel>>,
}

impl Packages {
    /// Whether a zone is one of these.
    pub(super) fn are(zone: &Zone) -> bool {
        matches!(zone.name, ZoneName::Package | ZoneName::Dram)
    }

    /// Takes a window of one of them.
    pub(super) fn record(&mut self, window: &EnergyWindow) {
        let (from, to) = (window.activity.from, window.activity.to);
        self.zones.retain(|package| package.energy.end().is_some_and(|end| to.since(end) < SILENCE));
        if window.provenance == Provenance::Estimated {
            return;
        }
        let place = self.zones.iter().position(|package| package.zone == window.zone).unwrap_or_else(|| {
            self.zones.push(Package { zone: window.zone.clone(), energy: Series::default(), model: None });
            self.zones.len() - 1
        });
        let package = &mut self.zones[place];
        package.energy.push(from, to, window.energy.0 as f64);
        package.model.clone_from(&window.model);
    }

    /// Whether more is to be waited for before anything can be said of a time up to `to`.
    pub(super) fn lag_behind(&self, to: Timestamp) -> bool {
        let lags = |end: Timestamp| end < to && to.since(end) < SILENCE;
        self.zones.iter().any(|package| package.energy.end().is_some_and(lags))
    }

    /// Microjoules of all of them between two instants; `None` where there are none or that is not known.
    pub(super) fn energy(&self, from: Timestamp, to: Timestamp) -> Option<f64> {
        if self.zones.is_empty() {
            return None;
        }
        self.zones.iter().map(|package| package.energy.amount(from, to)).sum()
    }

    /// What is known of their power, with the package each belongs to; `None` where that is not known of all.
    pub(super) fn models(&self) -> Option<ModelsByPackage> {
        let of = |package: &Package| Some((package.zone.socket.unwrap_or(0), Arc::clone(package.model.as_ref()?)));
        if self.zones.is_empty() { None } else { self.zones.iter().map(of).collect() }
    }
}
