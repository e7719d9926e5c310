//! `cargo xtask miri`: the unit tests of what has `unsafe`, on an interpreter that sees what is undefined.

use std::process::ExitCode;

use anyhow::Result;
use xtask::process::{self, say};
use xtask::{ebpf, nightly, workspace};

/// The modules with tests that need no kernel.
const MODULES: [&str; 2] = ["kernel::shared_array", "kernel::arrays"];

/// Runs them, where Miri is installed.
pub(super) fn miri() -> Result<ExitCode> {
    if let Some(reason) = nightly::missing().or_else(missing_component) {
        println!("0 passed, 0 failed, {} skipped\n  {reason}", MODULES.len());
        return Ok(ExitCode::SUCCESS);
    }
    for object in ebpf::Object::OF_AGENT {
        ebpf::build(object, &ebpf::Target::host())?;
    }
    let mut failed = Vec::new();
    for module in MODULES {
        say(format_args!("interpreting the tests of {module}"));
        let mut cargo = nightly::command("cargo");
        cargo
            .args(["miri", "test", "--package", "prony", "--lib", "--target-dir"])
            .arg(workspace::target().join("miri"));
        cargo.args(["--", module]).current_dir(workspace::root());
        // The kernel objects are the pinned compiler's.
        cargo.env("PRONY_PREBUILT_EBPF", ebpf::folder(&ebpf::Target::host()));
        if let Err(error) = process::run(&mut cargo) {
            say(format_args!("{error:#}"));
            failed.push(module);
        }
    }
    println!("{} passed, {} failed, 0 skipped", MODULES.len() - failed.len(), failed.len());
    Ok(if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What has to be added to the nightly compiler, if anything.
fn missing_component() -> Option<String> {
    let there = process::output(nightly::command("cargo").args(["miri", "--version"])).is_ok();
    (!there).then(|| "Miri is not installed: `rustup +nightly component add miri rust-src`".into())
}
