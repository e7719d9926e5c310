//! What a machine uses beside its packages: memory, disks, fans, the board, and what its supply loses.

use std::sync::Arc;

use crate::source::{Provenance, Zone, ZoneName};
use crate::units::{Microjoules, RelativeUncertainty};

use super::energy_window::EnergyWindow;
use super::packages::Packages;
use super::power_model::PowerModel;

/// See the module. Its energy is that of the node less that of the packages, to the microjoule; where that is less than nothing
/// in a window, which can only be an error of the meters, it is taken off the windows that follow.
#[derive(Debug, Default)]
pub(super) struct Rest {
    owed: i64,
    /// The node's model that the other was made from.
    model: Option<(Arc<PowerModel>, Arc<PowerModel>)>,
}

impl Rest {
    /// That of a window of the node that is covered to its end.
    pub(super) fn of(&mut self, node: &EnergyWindow, packages: &Packages) -> Option<EnergyWindow> {
        let of_packages = packages.energy(node.activity.from, node.activity.to)?.round() as i64;
        let node_model = node.model.as_ref().filter(|model| model.follows_packages())?;
        let model = match &self.model {
            Some((from, made)) if Arc::ptr_eq(from, node_model) => Arc::clone(made),
            _ => {
                let made = Arc::new(node_model.beside_packages());
                self.model = Some((Arc::clone(node_model), Arc::clone(&made)));
                made
            }
        };
        let left = node.energy.0.cast_signed() - of_packages - self.owed;
        self.owed = (-left).max(0);
        let energy = Microjoules(left.max(0).cast_unsigned());
        let static_energy = (model.static_power() * node.activity.length()).min(energy);
        // What the node is off, this is.
        let scaled =
            |of: RelativeUncertainty| RelativeUncertainty(of.0 * node.energy.0 as f64 / energy.0.max(1) as f64);
        Some(EnergyWindow {
            zone: Zone { name: ZoneName::Rest, socket: None },
            source: node.source.clone(),
            activity: Arc::clone(&node.activity),
            energy,
            static_energy,
            uncertainty: scaled(node.uncertainty),
            lasting_uncertainty: scaled(node.lasting_uncertainty),
            provenance: node.provenance.max(Provenance::Fused),
            model: Some(model),
        })
    }
}
