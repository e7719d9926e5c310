//! A run that others have measured: FaasMeter's on a desktop (arXiv 2408.06130), as a trace and what is known of the truth.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::BufReader;
use std::path::Path;

use anyhow::{Context as _, Result};
use flate2::read::GzDecoder;
use prony::config::{Policy, StaticPower, Weights};
use prony::trace::{By, Replay, ReplayOptions};
use prony::units::Volts;
use serde::Deserialize;

#[derive(Deserialize)]
struct TruthFile {
    functions: BTreeMap<String, FunctionTruth>,
}

#[derive(Deserialize)]
struct FunctionTruth {
    /// Marginal energy of an invocation, joules: of the wall meter, and of the package.
    mc_sys_j: f64,
    mc_cpu_j: f64,
    faasmeter_full_j: f64,
    faasmeter_cpu_j: f64,
    invocations: f64,
}

#[derive(Deserialize)]
struct Part<'a> {
    #[serde(default)]
    zone: &'a str,
    #[serde(default)]
    cgroup: &'a str,
    #[serde(default)]
    active_uj: u64,
}

/// What is said of a function in a zone.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// Its name.
    pub function: String,
    /// The zone.
    pub zone: &'static str,
    /// Joules of an invocation: in truth, by Prony, by FaasMeter.
    pub truth: f64,
    /// By Prony.
    pub prony: f64,
    /// By FaasMeter.
    pub faasmeter: f64,
    /// How far its share of all functions' energy is off, relative: by Prony.
    pub share_error: f64,
    /// By FaasMeter.
    pub faasmeter_share_error: f64,
}

/// Replays the trace in a folder (`trace.jsonl.gz`, `truth.json`) and compares.
///
/// # Errors
/// When the files are not there or not what they should be.
pub fn measured(folder: &Path, weights: Weights) -> Result<Vec<Measured>> {
    let truth = fs::read(folder.join("truth.json")).with_context(|| format!("no truth in {}", folder.display()))?;
    let truth: TruthFile = serde_json::from_slice(&truth)?;
    let options = ReplayOptions {
        policy: Policy::Separate,
        weights,
        static_power: StaticPower::default(),
        volts: Volts(5.0),
        volts_tolerance: 0.05,
        fork_servers: Vec::new(),
        by: By::Cgroup,
    };
    let mut out = Vec::new();
    let open = || Ok(BufReader::new(GzDecoder::new(File::open(folder.join("trace.jsonl.gz"))?)));
    Replay::run(open, &options, &mut out)?;
    let mut joules = BTreeMap::<(&str, &str), f64>::new();
    for line in std::str::from_utf8(&out)?.lines() {
        let part: Part<'_> = serde_json::from_str(line)?;
        if let Some(function) = part.cgroup.strip_prefix("/functions/") {
            *joules.entry((part.zone, function)).or_default() += part.active_uj as f64 / 1e6;
        }
    }
    let mut rows = Vec::new();
    for (zone, of, by_faasmeter) in [
        (
            "node",
            (|it| it.mc_sys_j) as fn(&FunctionTruth) -> f64,
            (|it| it.faasmeter_full_j) as fn(&FunctionTruth) -> f64,
        ),
        ("package-0", |it| it.mc_cpu_j, |it| it.faasmeter_cpu_j),
    ] {
        let all = |joules: &dyn Fn(&str, &FunctionTruth) -> f64| -> f64 {
            truth.functions.iter().map(|(name, function)| joules(name, function)).sum()
        };
        let said = |name: &str| joules.get(&(zone, name)).copied().unwrap_or_default();
        let all_truth = all(&|_, function| of(function) * function.invocations);
        let all_said = all(&|name, _| said(name));
        let all_faasmeter = all(&|_, function| by_faasmeter(function) * function.invocations);
        for (name, function) in &truth.functions {
            let share = of(function) * function.invocations / all_truth;
            rows.push(Measured {
                function: name.clone(),
                zone,
                truth: of(function),
                prony: said(name) / function.invocations,
                faasmeter: by_faasmeter(function),
                share_error: said(name) / all_said / share - 1.0,
                faasmeter_share_error: by_faasmeter(function) * function.invocations / all_faasmeter / share - 1.0,
            });
        }
    }
    Ok(rows)
}
