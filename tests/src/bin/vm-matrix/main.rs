//! The agent on every kernel and every kind of machine that virtual machines can be, and a table of what came out.

mod options;
mod table;

use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context as _, Result};
use prony_tests::vm::{Machine, Outcome, Programs, Report, boot};
use xtask::virtual_machine::{Kernel, Qemu};

use options::Options;
use table::{Cell, Table};

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let options = match Options::parse(&arguments) {
        Ok(options) => options,
        Err(problem) => {
            eprintln!("vm-test: {problem}\n{}", options::USAGE);
            return ExitCode::from(2);
        }
    };
    match run(&options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("vm-test: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<bool> {
    let programs = programs(options)?;
    let qemu = Qemu::find_or_fetch();
    let mut table = Table::default();
    for kernel in &options.kernels {
        for machine in options.machines.iter().filter(|machine| machine.is_for(kernel)) {
            println!("\n# {} on {}", kernel.name, machine.title);
            let begun = Instant::now();
            let cell = match &qemu {
                Ok(qemu) => look(qemu, kernel, machine, &programs),
                Err(error) => Cell::Skipped(format!("{error:#}")),
            };
            show(&cell);
            println!("{:.0} s", begun.elapsed().as_secs_f64());
            table.add(kernel, machine, cell);
        }
    }
    if let Some(file) = &options.docs {
        table.write_into(file)?;
    }
    println!("\n{}", table.summary());
    Ok(table.is_good())
}

fn look(qemu: &Qemu, kernel: &Kernel, machine: &Machine, programs: &Programs) -> Cell {
    let unpacked = match kernel.find_or_fetch() {
        Ok(unpacked) => unpacked,
        Err(error) => return Cell::Skipped(format!("{error:#}")),
    };
    // Tests of the kernel side care for the kernel, not for the machine.
    let is_plain = !machine.has_energy() && !machine.has_power_chip;
    let tests = if is_plain { programs.tests.clone() } else { Vec::new() };
    let programs = &Programs { tests, ..programs.clone() };
    boot(qemu, &unpacked, machine, programs).map_or_else(|error| Cell::Died(format!("{error:#}")), Cell::Reported)
}

fn show(cell: &Cell) {
    match cell {
        Cell::Skipped(reason) => println!("skipped: {reason}"),
        Cell::Died(reason) => println!("FAILED: {reason}"),
        Cell::Reported(Report { kernel, attachment, checks }) => {
            println!("{kernel}, {attachment}");
            for check in checks {
                let mark = match check.outcome {
                    Outcome::Good => "ok",
                    Outcome::Bad => "FAILED",
                    Outcome::Absent => "not there",
                };
                println!("  {mark}: {}: {}", check.name, check.detail);
            }
        }
    }
}

fn programs(options: &Options) -> Result<Programs> {
    let own = env::current_exe()?;
    let beside = |name: &str| own.with_file_name(name);
    let given = |variable: &str| {
        let path = env::var_os(variable).map(PathBuf::from);
        path.with_context(|| format!("{variable} is not set: run `cargo xtask vm-test`"))
    };
    let programs = Programs {
        init: beside("prony-guest"),
        agent: given("PRONY_BIN")?,
        load: beside("prony-load"),
        plugin: given("PRONY_RAPL_PLUGIN")?,
        tests: options.tests.clone(),
    };
    for file in [&programs.init, &programs.agent, &programs.load, &programs.plugin].into_iter().chain(&programs.tests) {
        fs::metadata(file).with_context(|| format!("cannot find {}", file.display()))?;
    }
    Ok(programs)
}
