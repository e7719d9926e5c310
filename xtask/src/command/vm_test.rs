//! `cargo xtask vm-test`: the agent on other kernels, in virtual machines.

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, ensure};

use super::agent::{self, Profile};

/// Tests of the kernel side, which are run in guests too.
const KERNEL_TESTS: [&str; 2] = ["accounting", "counters"];

/// Builds what goes into guests, and passes the arguments on to the program that boots them.
pub(super) fn vm_test(arguments: &[String]) -> Result<ExitCode> {
    let binary = agent::build(Profile::Dev)?;
    let plugin = build_plugin()?;
    let package = ["--quiet", "--package", "prony-tests"];
    run(agent::cargo().arg("build").args(package).arg("--bins"))?;
    let mut matrix = agent::cargo();
    matrix.arg("run").args(package).args(["--bin", "vm-matrix", "--"]).args(arguments);
    let status = matrix
        .args(kernel_tests()?)
        .env("PRONY_BIN", &binary)
        .env(PLUGIN, plugin)
        .status()
        .context("cannot start `cargo`")?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The variable that tells tests where QEMU's plugin is.
pub(super) const PLUGIN: &str = "PRONY_RAPL_PLUGIN";

/// Builds QEMU's plugin for RAPL.
pub(super) fn build_plugin() -> Result<PathBuf> {
    let mut cargo = agent::cargo();
    cargo.args(["build", "--package", "prony-rapl-plugin"]);
    let files = agent::built(&mut cargo, "filenames")?;
    let plugin = files.into_iter().find(|file| file.extension().is_some_and(|extension| extension == "so"));
    plugin.context("cargo did not say where it put QEMU's plugin")
}

fn kernel_tests() -> Result<Vec<PathBuf>> {
    let mut cargo = agent::cargo();
    cargo.args(["test", "--no-run", "--package", "prony-tests"]);
    cargo.args(KERNEL_TESTS.iter().flat_map(|test| ["--test", test]));
    agent::built(&mut cargo, "executable").map(|all| {
        let is_test = |file: &PathBuf| {
            let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            KERNEL_TESTS.iter().any(|test| name.starts_with(&format!("{test}-")))
        };
        all.into_iter().filter(is_test).collect()
    })
}

fn run(command: &mut Command) -> Result<()> {
    let status = command.status().context("cannot start `cargo`")?;
    ensure!(status.success(), "it does not build: the messages above say why");
    Ok(())
}
