//! Programs from crates.io, each built once under `target/tools` in a folder with its version in the name.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::ebpf::clean_cargo;
use crate::process::{self, say};
use crate::workspace;

/// Builds a program and puts it into `root/bin`.
///
/// # Errors
/// When it cannot be fetched or does not compile.
pub fn install(package: &str, version: &str, root: &Path) -> Result<()> {
    say(format_args!("building {package} {version} under target/tools (once; some minutes)"));
    let build = workspace::tools().join("build");
    let mut cargo = clean_cargo();
    cargo.args(["install", package, "--version", version, "--locked", "--force", "--root"]).arg(root);
    process::run(cargo.arg("--target-dir").arg(&build))?;
    fs::remove_dir_all(&build).with_context(|| format!("cannot remove {}", build.display()))
}
