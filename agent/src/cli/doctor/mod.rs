//! `prony doctor`: what this machine offers, and how to get what is missing. Facts are collected first, then judged;
//! the judging is pure.

mod attempt;
mod fact;
mod finding;
mod kernel;
mod kernel_checks;
mod machine;
mod node_checks;
mod permission_checks;
mod plan;
mod power;
mod power_checks;
mod print;
mod process;
mod reach;

use std::path::PathBuf;
use std::process::ExitCode;

use serde::Serialize;

use crate::config::{Config, ConfigErrors};
use crate::identity::metadata::{Source, chosen};

use super::output::{Output, Style, print, print_json};
use super::run::ConfigArgs;

pub use attempt::{Attempts, EstimateBasis, Watching};
pub use fact::Fact;
pub use finding::{Finding, Section, Status};
pub use kernel::KernelFacts;
pub use machine::{Cgroups, MachineFacts, Roots};
pub use plan::Plan;
pub use power::{Chip, PowerFacts, PowercapZone};
pub use process::{Capabilities, Capability, ProcessFacts};
pub use reach::{Port, Ports, Reach};

const EXAMPLES: &str = "\
Examples:
  prony doctor
  sudo prony doctor --config prony.toml --probe
  prony doctor --output json | jq -r '.findings[] | select(.status != \"ok\") | .name + \": \" + .fix'

It loads the kernel programs and opens the meters as the agent would, and closes them again. Where --sysfs and
--procfs name something else than the running kernel's own, it judges by the files alone.

Marks: ✔ (ok) there, – (no) not there, ▲ (!) there in part, ? not known, ✘ (!!) needed and missing.
Exit codes: 0 the agent can run, 1 something that it needs is missing.";

/// What `prony doctor` is told.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct DoctorArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Send each polled meter one datagram, to see whether something refuses it
    #[arg(long)]
    probe: bool,
    /// Where the sockets of container runtimes are
    #[arg(long, value_name = "DIR", default_value = "/run")]
    run_dir: PathBuf,
    /// Use no other characters than ASCII
    #[arg(long)]
    ascii: bool,
    /// Form of the answer
    #[arg(long, value_enum, default_value_t, value_name = "FORM")]
    output: Output,
}

/// The whole answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The version of prony.
    pub version: &'static str,
    /// Whether the agent can run.
    pub ok: bool,
    /// Everything that was looked at.
    pub findings: Vec<Finding>,
    /// What the agent will use.
    pub will_use: Plan,
}

/// Everything that the doctor judges.
#[derive(Clone, Debug)]
pub struct Facts<'a> {
    /// The machine.
    pub machine: &'a MachineFacts,
    /// The configuration; the defaults where it has errors.
    pub config: &'a Config,
    /// The files that the configuration is from; `None` for the defaults.
    pub config_files: Option<&'a str>,
    /// The configuration's errors.
    pub config_errors: Option<&'a ConfigErrors>,
    /// What came of trying; `None` where only files were looked at.
    pub attempts: Option<&'a Attempts>,
    /// The listeners.
    pub ports: &'a Ports,
    /// The configured meters.
    pub meters: &'a [Reach],
    /// What tells the names of containers.
    pub names: &'a [Source],
}

/// Judges the facts.
pub fn examine(facts: &Facts<'_>) -> Report {
    let Facts { machine, config, config_files, config_errors, attempts, ports, meters, names } = *facts;
    let mut findings = vec![node_checks::configuration(config_files, config_errors)];
    findings.extend(node_checks::machine(machine));
    findings.extend(kernel_checks::check(machine, config.activity.btf.is_some()));
    findings.push(kernel_checks::programs(attempts.map(|attempts| &attempts.programs)));
    findings.extend(attempts.and_then(|attempts| kernel_checks::counters(attempts.programs.as_ref().ok()?)));
    findings.extend(attempts.and_then(|attempts| attempts.sockets.as_ref()).map(kernel_checks::sockets));
    findings.extend(permission_checks::check(machine));
    findings.extend(power_checks::check(machine, config, meters, attempts));
    findings.extend(node_checks::workloads(machine));
    findings.push(node_checks::names(names));
    findings.extend(node_checks::exports(config, ports));
    let will_use = Plan::new(facts, &findings);
    let ok = !findings.iter().any(Finding::is_fatal);
    Report { version: env!("CARGO_PKG_VERSION"), ok, findings, will_use }
}

/// Looks at this machine and prints what it found.
pub fn run(args: &DoctorArgs) -> anyhow::Result<ExitCode> {
    let (config, files, errors) = match args.config.load() {
        Ok(loaded) => (loaded.config.clone(), loaded.file_names(), None),
        Err(errors) => (Config::default(), None, Some(errors)),
    };
    let roots = Roots { host: config.host.roots(), run: args.run_dir.clone() };
    let attempts = Attempts::make(&config, &roots.host);
    let facts = Facts {
        machine: &MachineFacts::collect(&roots),
        config: &config,
        config_files: files.as_deref(),
        config_errors: errors.as_ref(),
        attempts: attempts.as_ref(),
        ports: &Ports::try_all(&config),
        meters: &reach::meters(&config, args.probe),
        names: &chosen(&config.identity),
    };
    let report = examine(&facts);
    match args.output {
        Output::Json => print_json(&report)?,
        Output::Text => {
            let style = Style::of_stdout();
            print(&print::text(&report, Style { unicode: style.unicode && !args.ascii, ..style }))?;
        }
    }
    Ok(if report.ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[cfg(test)]
mod tests;
