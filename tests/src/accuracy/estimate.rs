//! What Prony says, by a replay of the trace.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use prony::config::{Policy, StaticPower, Weights};
use prony::trace::{By, Replay, ReplayOptions};
use serde::Deserialize;

use super::held_out::HeldOut;
use super::run::invocation_of;

/// Joules of each function in each bin of time: `[bin][function]`.
pub type Energies = Vec<Vec<f64>>;

/// What Prony says, and how sure it says that is (one sigma).
#[derive(Clone, Debug, Default)]
pub struct Said {
    /// Joules.
    pub energies: Energies,
    /// One sigma of each.
    pub sigmas: Energies,
    /// Joules of the invocations of each function that ended in each bin, where invocations are told.
    pub invocations: Energies,
}

#[derive(Deserialize)]
struct Part<'a> {
    #[serde(default)]
    from_ns: u64,
    #[serde(default)]
    to_ns: u64,
    zone: &'a str,
    #[serde(default)]
    cgroup: &'a str,
    #[serde(default)]
    active_uj: u64,
    #[serde(default)]
    sigma_uj: u64,
    #[serde(default)]
    lasting_uj: u64,
    /// Of an invocation: its name.
    #[serde(default)]
    invocation: &'a str,
}

/// What Prony says of a run: of packages, or of the node.
///
/// # Errors
/// When its trace cannot be replayed.
pub fn by_prony(run: &HeldOut, of_node: bool, weights: Weights) -> Result<Said> {
    let options = ReplayOptions {
        policy: Policy::Separate,
        weights,
        static_power: StaticPower::default(),
        volts: run.volts(),
        volts_tolerance: 0.01,
        fork_servers: Vec::new(),
        by: By::Cgroup,
    };
    let mut out = Vec::new();
    Replay::run(|| Ok(run.trace.as_bytes()), &options, &mut out)?;
    let numbers: BTreeMap<&str, usize> =
        (0..).zip(&run.truth.cgroups).map(|(number, name)| (name.as_str(), number)).collect();
    let bins = run.truth.packages_j.len().max(run.truth.node_j.len());
    let mut energies = vec![vec![0.0; numbers.len()]; bins];
    // What lasts adds up as it is, the rest by its squares.
    let (mut lasting, mut variance, mut invocations) = (energies.clone(), energies.clone(), energies.clone());
    for line in std::str::from_utf8(&out)?.lines() {
        let part: Part<'_> = serde_json::from_str(line).with_context(|| line.to_owned())?;
        let is_wanted = if of_node { part.zone == "node" } else { part.zone.starts_with("package") };
        if let Some((function, bin)) = invocation_of(part.invocation).filter(|(_, bin)| is_wanted && *bin < bins) {
            invocations[bin][function] += part.active_uj as f64 / 1e6;
        }
        if let Some(function) = numbers.get(part.cgroup).filter(|_| is_wanted) {
            let middle = (part.from_ns + part.to_ns) as f64 / 2e9;
            let bin = (middle / run.truth.bin_s) as usize;
            if bin < bins {
                energies[bin][*function] += part.active_uj as f64 / 1e6;
                lasting[bin][*function] += part.lasting_uj as f64 / 1e6;
                variance[bin][*function] += ((part.sigma_uj as f64).powi(2) - (part.lasting_uj as f64).powi(2)) / 1e12;
            }
        }
    }
    let sigma = |(lasting, variance): (&f64, &f64)| (lasting * lasting + variance.max(0.0)).sqrt();
    let sigmas =
        lasting.iter().zip(&variance).map(|(lasting, variance)| lasting.iter().zip(variance).map(sigma).collect());
    Ok(Said { energies, sigmas: sigmas.collect(), invocations })
}
