//! Programs from crates.io, each built once under `target/tools` in a folder with its version in the name.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

use crate::ebpf::clean_cargo;
use crate::process::{self, find_on_path, say};
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

/// A program of a package of the same name, of which any version will do that a user has installed.
#[derive(Clone, Copy, Debug)]
pub struct Tool {
    /// The package, and the program.
    pub name: &'static str,
    /// What is built where there is none.
    pub version: &'static str,
}

impl Tool {
    /// The one on `PATH`, else the one under `target/tools`, built if need be.
    ///
    /// # Errors
    /// When it is not there and cannot be built.
    pub fn find_or_install(self) -> Result<PathBuf> {
        let Self { name, version } = self;
        if let Some(installed) = find_on_path(name) {
            return Ok(installed);
        }
        let root = workspace::tools().join(format!("{name}-{version}"));
        let program = root.join("bin").join(name);
        if !program.is_file() {
            install(name, version, &root).with_context(|| {
                format!("{name} is needed and could not be built: `cargo install {name}` gives one")
            })?;
            ensure!(program.is_file(), "there is no {} after building it", program.display());
        }
        Ok(program)
    }
}
