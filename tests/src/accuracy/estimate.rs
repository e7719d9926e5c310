//! What Prony says, by a replay of the trace.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use prony::config::{Policy, StaticPower, Weights};
use prony::trace::{By, Replay, ReplayOptions};
use prony::units::Volts;
use serde::Deserialize;

use super::run::Run;
use super::sensors::Meters;
use super::truth::BIN_SECONDS;

/// Joules of each function in each bin of time: `[bin][function]`.
pub type Energies = Vec<Vec<f64>>;

#[derive(Deserialize)]
struct Part<'a> {
    from_ns: u64,
    to_ns: u64,
    zone: &'a str,
    cgroup: &'a str,
    active_uj: u64,
}

/// What Prony says of a run by these meters: of packages, or of the node.
///
/// # Errors
/// When its trace cannot be replayed.
pub fn by_prony(run: &Run, meters: Meters, of_node: bool, weights: Weights) -> Result<Energies> {
    let trace = run.trace(meters);
    let options = ReplayOptions {
        policy: Policy::Separate,
        weights,
        static_power: StaticPower::default(),
        volts: Volts(run.volts),
        volts_tolerance: 0.01,
        fork_servers: Vec::new(),
        by: By::Cgroup,
    };
    let mut out = Vec::new();
    Replay::run(|| Ok(trace.as_bytes()), &options, &mut out)?;
    let numbers: BTreeMap<String, usize> = run
        .functions
        .iter()
        .enumerate()
        .map(|(number, name)| (if name == "system" { "/system".into() } else { format!("/functions/{name}") }, number))
        .collect();
    let bins = run.truth.whole.len();
    let mut energies = vec![vec![0.0; run.functions.len()]; bins];
    for line in std::str::from_utf8(&out)?.lines() {
        let part: Part<'_> = serde_json::from_str(line).with_context(|| line.to_owned())?;
        let is_wanted = (part.zone == "node") == of_node;
        if let Some(function) = numbers.get(part.cgroup).filter(|_| is_wanted) {
            let middle = (part.from_ns + part.to_ns) as f64 / 2e9;
            energies[((middle / BIN_SECONDS) as usize).min(bins - 1)][*function] += part.active_uj as f64 / 1e6;
        }
    }
    Ok(energies)
}
