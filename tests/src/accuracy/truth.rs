//! What each function has really used.

use super::machine::{Power, STEP};

/// How long the times are over which errors are taken, seconds.
pub const BIN_SECONDS: f64 = 10.0;

/// Joules of each function in each bin of time: `[bin][function]`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Truth {
    /// In all packages.
    pub packages: Vec<Vec<f64>>,
    /// Of the whole machine.
    pub node: Vec<Vec<f64>>,
    /// What all packages used, whoever ran: `[bin]`.
    pub all_packages: Vec<f64>,
    /// What the whole machine used.
    pub whole: Vec<f64>,
}

impl Truth {
    /// Adds a step's power; nothing after the last bin.
    pub(super) fn add(&mut self, bin: usize, power: &Power) {
        if bin >= self.whole.len() {
            return;
        }
        for (bins, power) in [(&mut self.packages, &power.package_of), (&mut self.node, &power.node_of)] {
            for (energy, power) in bins[bin].iter_mut().zip(power) {
                *energy += power * STEP;
            }
        }
        self.all_packages[bin] += power.packages.iter().sum::<f64>() * STEP;
        self.whole[bin] += power.node * STEP;
    }

    pub(super) fn new(functions: usize, seconds: f64) -> Self {
        let bins = (seconds / BIN_SECONDS).ceil() as usize;
        let empty = vec![vec![0.0; functions]; bins];
        Self { packages: empty.clone(), node: empty, all_packages: vec![0.0; bins], whole: vec![0.0; bins] }
    }
}
