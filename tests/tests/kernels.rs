//! The agent on a kernel as Debian builds it, in a virtual machine whose processor has RAPL. All kernels and machines:
//! `cargo xtask vm-test`.

use std::env;
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use prony_tests::skip;
use prony_tests::vm::{Machine, Outcome, Programs, boot};
use xtask::virtual_machine::{Qemu, TESTED};

#[test]
fn a_stock_kernel_with_rapl_is_measured_right() -> Result<()> {
    let test = "a_stock_kernel_with_rapl_is_measured_right";
    let needed = || -> Result<_> {
        let built = |variable| {
            let path = env::var_os(variable).map(PathBuf::from);
            path.with_context(|| format!("{variable} is not set: run `cargo xtask test`"))
        };
        Ok((Qemu::find()?, TESTED.find()?, built("PRONY_BIN")?, built("PRONY_RAPL_PLUGIN")?))
    };
    let (qemu, kernel, agent, plugin) = match needed() {
        Ok(needed) => needed,
        Err(error) => {
            skip(test, &format!("{error:#}"));
            return Ok(());
        }
    };
    let programs = Programs {
        init: env!("CARGO_BIN_EXE_prony-guest").into(),
        agent,
        load: env!("CARGO_BIN_EXE_prony-load").into(),
        plugin,
        tests: Vec::new(),
    };
    let machine = Machine::find("intel").context("a machine with RAPL")?;
    let report = boot(&qemu, &kernel, machine, &programs)?;
    for check in &report.checks {
        println!("{}: {:?}: {}", check.name, check.outcome, check.detail);
    }
    ensure!(report.with(Outcome::Bad).next().is_none(), "{report:#?}");
    ensure!(report.with(Outcome::Absent).next().is_none(), "this kernel and machine have all: {report:#?}");
    Ok(())
}
