//! `cargo xtask bench`: runs the benchmarks, which are binaries of the tests' crate.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use xtask::{ebpf, workspace};

use super::agent::{self, Profile};

/// Runs the benchmark that the first argument names, or lists them where there is none.
pub(super) fn bench(arguments: &[String]) -> Result<ExitCode> {
    let names = names(&workspace::root().join("tests/src/bin"));
    let Some((name, rest)) = arguments.split_first() else {
        println!("Benchmarks (cargo xtask bench NAME):");
        for name in names {
            println!("  {name}");
        }
        return Ok(ExitCode::SUCCESS);
    };
    if !names.contains(name) {
        return Ok(super::refuse(&format!("there is no benchmark `{name}`; there are: {}", names.join(", "))));
    }
    run(&format!("bench-{name}"), rest)
}

/// Runs a binary of the tests' crate, which is told the agent as it is used (`PRONY_BIN`) and the kernel programs to compare
/// its own with (`PRONY_YARDSTICK_OBJECT`).
pub(super) fn run(name: &str, arguments: &[String]) -> Result<ExitCode> {
    let binary = agent::build(Profile::Release)?;
    let yardstick = ebpf::build(ebpf::Object::Yardstick, &ebpf::Target::host())?;
    let package = ["--quiet", "--release", "--package", "prony-tests"];
    // They start the other binaries of their package as loads.
    let built = agent::cargo().arg("build").args(package).arg("--bins").status().context("cannot start `cargo`")?;
    if !built.success() {
        return Ok(ExitCode::FAILURE);
    }
    let status = agent::cargo()
        .arg("run")
        .args(package)
        .args(["--bin", name, "--"])
        .args(arguments.strip_prefix(&["--".to_owned()]).unwrap_or(arguments))
        .env("PRONY_BIN", &binary)
        .env("PRONY_YARDSTICK_OBJECT", &yardstick)
        .status()
        .context("cannot start `cargo`")?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The benchmarks whose source is in the folder, in order.
fn names(binaries: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(binaries)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let file = entry.file_name().into_string().ok()?;
            let name = file.strip_suffix(".rs").unwrap_or(&file);
            name.strip_prefix("bench-").map(str::to_owned)
        })
        .collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn benchmarks_are_files_or_folders_called_so() {
        let binaries = tempfile::tempdir().unwrap();
        for file in ["bench-switch.rs", "bench-agent.rs", "load.rs"] {
            fs::write(binaries.path().join(file), "").unwrap();
        }
        fs::create_dir(binaries.path().join("bench-scrape")).unwrap();
        assert_eq!(names(binaries.path()), ["agent", "scrape", "switch"]);
        assert_eq!(names(&binaries.path().join("none")), Vec::<String>::new());
    }
}
