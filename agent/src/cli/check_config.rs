//! `prony check-config`: says whether a configuration is good.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::ValueEnum;
use serde::Serialize;

use crate::config::{self, Config, ConfigErrors, Loaded, Override, Problem};
use crate::host::machine_name;

use super::EXIT_USAGE;
use super::output::{print, print_json};

const EXAMPLES: &str = "\
Examples:
  prony check-config /etc/prony/prony.toml
  prony check-config --output json prony.toml | jq .errors
  prony check-config --example > prony.toml
  prony check-config --node odroidxu4-1 prony.toml

The environment (PRONY_...) is taken into account as 'prony run' does.
Exit codes: 0 the configuration is good, 2 it is not.";

/// What `prony check-config` is told.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct CheckConfigArgs {
    /// The file [default: /etc/prony/prony.toml if it is there]
    #[arg(env = config::CONFIG_VARIABLE)]
    file: Option<PathBuf>,
    /// As on the node of this name, with what the folder `nodes` beside the file has for it [default: this machine]
    #[arg(long, value_name = "NAME")]
    node: Option<String>,
    /// Form of the answer
    #[arg(long, value_enum, default_value_t, value_name = "FORM")]
    output: Form,
    /// Print a commented file with every key and its default instead
    #[arg(long)]
    example: bool,
}

/// The form of the answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Form {
    /// The verdict as a comment, and the configuration in effect
    #[default]
    Toml,
    /// One object with `ok`, `errors`, `warnings` and `config`
    Json,
}

#[derive(Debug, Serialize)]
struct Answer {
    ok: bool,
    errors: Vec<Problem>,
    warnings: Vec<Problem>,
    config: Option<Config>,
}

/// Checks a file and prints what would be in effect, or every error.
pub fn run(args: &CheckConfigArgs) -> anyhow::Result<ExitCode> {
    if args.example {
        print(&config::example())?;
        return Ok(ExitCode::SUCCESS);
    }
    let node = args.node.clone().map(|value| Override { key: "node_name", flag: "--node", value });
    let loaded = config::load(args.file.as_deref(), &machine_name(), &config::variables(), node.as_slice());
    let good = loaded.is_ok();
    match (args.output, loaded) {
        (Form::Json, Ok(Loaded { config, warnings, .. })) => {
            print_json(&Answer { ok: true, errors: Vec::new(), warnings, config: Some(config) })?;
        }
        (Form::Json, Err(ConfigErrors(errors))) => {
            print_json(&Answer { ok: false, errors, warnings: Vec::new(), config: None })?;
        }
        (Form::Toml, Ok(loaded)) => {
            for warning in &loaded.warnings {
                eprintln!("warning: {warning}");
            }
            let names = loaded.file_names().unwrap_or_else(|| "no file".into());
            print(&format!("# {names}: ok; in effect:\n{}", toml::to_string(&loaded.config)?))?;
        }
        (Form::Toml, Err(errors)) => {
            eprintln!("{errors}");
            eprintln!("errors: {}", errors.0.len());
        }
    }
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::from(EXIT_USAGE) })
}
