//! A run that others have measured: FaasMeter's on a desktop (arXiv 2408.06130), as a trace and what is known of the truth.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use flate2::read::GzDecoder;
use prony::config::{Policy, StaticPower, Weights};
use prony::trace::{By, Replay, ReplayOptions};
use prony::units::Volts;
use serde::Deserialize;
use serde_json::Value;

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
    from_ns: u64,
    #[serde(default)]
    to_ns: u64,
    #[serde(default)]
    zone: &'a str,
    #[serde(default)]
    cgroup: &'a str,
    #[serde(default)]
    active_uj: u64,
    #[serde(default)]
    idle_uj: u64,
}

/// What is said of a function in a zone.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// Its name.
    pub function: String,
    /// Joules of an invocation, in truth.
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

/// What is said of the whole run.
#[derive(Clone, Debug, Default)]
pub struct MeasuredRun {
    /// Of each function, about the whole machine, and about its package.
    pub node: Vec<Measured>,
    /// About the package; empty where it was not measured.
    pub package: Vec<Measured>,
    /// Watts of the machine before the first function ran, and what of that is said to be static.
    pub before: (f64, f64),
    /// What is known of the meters at the end, as the result has it.
    pub meters: Vec<Value>,
}

/// Replays the trace in a folder (`trace.jsonl.gz`, `truth.json`), with RAPL or with the wall meter alone, and compares.
///
/// # Errors
/// When the files are not there or not what they should be.
pub fn measured(folder: &Path, weights: Weights, with_rapl: bool) -> Result<MeasuredRun> {
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
    let mut trace = String::new();
    GzDecoder::new(File::open(folder.join("trace.jsonl.gz"))?).read_to_string(&mut trace)?;
    if !with_rapl {
        let wanted = trace.lines().filter(|line| !line.contains(r#""source":"rapl""#));
        trace = wanted.fold(String::new(), |text, line| text + line + "\n");
    }
    let mut out = Vec::new();
    Replay::run(|| Ok(trace.as_bytes()), &options, &mut out)?;
    let (mut joules, mut run) = (BTreeMap::<(&str, &str), f64>::new(), MeasuredRun::default());
    // Of the windows before any function ran: when the first began, and the energy of the latest.
    let (mut began, mut latest, mut functions_ran) = (None, (0, 0, 0.0, 0.0), false);
    for line in std::str::from_utf8(&out)?.lines() {
        if line.starts_with(r#"{"meter""#) {
            run.meters.push(serde_json::from_str(line)?);
            continue;
        }
        let part: Part<'_> = serde_json::from_str(line)?;
        if let Some(function) = part.cgroup.strip_prefix("/functions/") {
            *joules.entry((part.zone, function)).or_default() += part.active_uj as f64 / 1e6;
        }
        if part.zone == "node" && !functions_ran {
            functions_ran = part.cgroup.starts_with("/functions/");
            began.get_or_insert(part.from_ns);
            if part.from_ns != latest.0 {
                run.before = (run.before.0 + latest.2, run.before.1 + latest.3);
                latest = (part.from_ns, latest.1, 0.0, 0.0);
            }
            latest.1 = if functions_ran { part.from_ns } else { part.to_ns };
            latest.2 += (part.active_uj + part.idle_uj) as f64 / 1e6;
            latest.3 += part.idle_uj as f64 / 1e6;
        }
    }
    let time = (latest.1 - began.unwrap_or_default()) as f64 / 1e9;
    run.before = (run.before.0 / time, run.before.1 / time);
    let compared = |zone, of: fn(&FunctionTruth) -> f64, by_faasmeter: fn(&FunctionTruth) -> f64| -> Vec<Measured> {
        let all = |joules: &dyn Fn(&str, &FunctionTruth) -> f64| -> f64 {
            truth.functions.iter().map(|(name, function)| joules(name, function)).sum()
        };
        let said = |name: &str| joules.get(&(zone, name)).copied().unwrap_or_default();
        let all_truth = all(&|_, function| of(function) * function.invocations);
        let all_said = all(&|name, _| said(name));
        let all_faasmeter = all(&|_, function| by_faasmeter(function) * function.invocations);
        let row = |(name, function): (&String, &FunctionTruth)| {
            let share = of(function) * function.invocations / all_truth;
            Measured {
                function: name.clone(),
                truth: of(function),
                prony: said(name) / function.invocations,
                faasmeter: by_faasmeter(function),
                share_error: said(name) / all_said / share - 1.0,
                faasmeter_share_error: by_faasmeter(function) * function.invocations / all_faasmeter / share - 1.0,
            }
        };
        truth.functions.iter().map(row).collect()
    };
    run.node = compared("node", |it| it.mc_sys_j, |it| it.faasmeter_full_j);
    if with_rapl {
        run.package = compared("package-0", |it| it.mc_cpu_j, |it| it.faasmeter_cpu_j);
    }
    Ok(run)
}
