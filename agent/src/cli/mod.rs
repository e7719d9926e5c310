//! The commands of the `prony` binary.

pub mod calibrate;
pub mod check_config;
mod cpu_ticks;
pub mod doctor;
pub mod import_config;
pub mod import_profile;
mod kept_warnings;
mod logging;
pub mod meter_sim;
mod output;
pub mod record;
pub mod replay;
pub mod run;
mod signals;
pub mod top;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::ConfigErrors;

/// What every command ends with when the command line or the configuration is wrong; 0 is success, 1 a failure.
pub const EXIT_USAGE: u8 = 2;

const EXAMPLES: &str = "\
Examples:
  sudo prony doctor        what this machine offers, and how to get what is missing
  sudo prony run           the agent; then: curl 127.0.0.1:9190/metrics
  prony top                what draws power right now, in the terminal

Exit codes: 0 success, 1 failure, 2 wrong usage or configuration.";

#[derive(Debug, Parser)]
#[command(name = "prony", version, about = "How many joules every process, cgroup and container uses")]
#[command(after_help = EXAMPLES, subcommand_required = true, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the agent
    Run(run::RunArgs),
    /// Show a live table of what draws power
    Top(top::TopArgs),
    /// Say what this machine offers, and how to get what is missing
    Doctor(doctor::DoctorArgs),
    /// Measure what this machine draws with nothing running, and keep it
    Calibrate(calibrate::CalibrateArgs),
    /// Say whether a configuration is good, and what would be in effect
    CheckConfig(check_config::CheckConfigArgs),
    /// Write down what comes into the agent
    Record(record::RecordArgs),
    /// Send what was written down through the same pipeline again
    Replay(replay::ReplayArgs),
    /// Turn the ESP32 system's per-node configuration into Prony's
    ImportConfig(import_config::ImportConfigArgs),
    /// Turn a Boavizta server's answer about a cloud instance into a power profile
    ImportProfile(import_profile::ImportProfileArgs),
    /// Stand in for a power meter
    MeterSim(meter_sim::MeterSimArgs),
}

/// Does what the command line says.
pub fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Run(args) => run::run(&args),
        Command::Top(args) => block_on(top::run(args)),
        Command::Doctor(args) => doctor::run(&args),
        Command::Calibrate(args) => calibrate::run(&args),
        Command::CheckConfig(args) => check_config::run(&args),
        Command::Record(args) => record::run(&args),
        Command::Replay(args) => replay::run(&args),
        Command::ImportConfig(args) => import_config::run(&args),
        Command::ImportProfile(args) => import_profile::run(&args),
        Command::MeterSim(args) => block_on(meter_sim::run(args)),
    };
    result.unwrap_or_else(|error| {
        if let Some(errors) = error.downcast_ref::<ConfigErrors>() {
            eprintln!("prony: the configuration is not good:\n{errors}");
            return ExitCode::from(EXIT_USAGE);
        }
        eprintln!("prony: {error:#}");
        ExitCode::FAILURE
    })
}

fn block_on(command: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(command).map(|()| ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_has_examples() {
        for command in Cli::command().get_subcommands() {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains(&format!("prony {}", command.get_name())), "{}", command.get_name());
        }
    }
}
