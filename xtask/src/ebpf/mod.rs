//! Building the kernel object, for `cargo xtask build-ebpf` and for the agent's build script.

mod compiler;
mod environment;
mod library_source;
mod linker;
mod llvm;
mod target;

use std::env;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::lock::ToolsLock;
use crate::{process, workspace};
use compiler::Compiler;
pub use environment::clean as clean_environment;
use library_source::LibrarySource;
pub use target::Target;

/// The crate that has the kernel programs.
const PACKAGE: &str = "agent-ebpf";

/// What can be built of it: each is a binary of the crate, and a file to load into the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Object {
    /// The agent's own programs.
    Agent,
    /// The programs that see requests on sockets, which the agent loads only where it is asked to.
    Sockets,
    /// The programs that `cargo xtask bench switch` compares them with.
    Yardstick,
}

impl Object {
    /// What the agent carries with it.
    pub const OF_AGENT: [Self; 2] = [Self::Agent, Self::Sockets];

    /// The name of its file.
    pub fn binary(self) -> &'static str {
        match self {
            Self::Agent => "prony-ebpf",
            Self::Sockets => "prony-ebpf-sockets",
            Self::Yardstick => "prony-ebpf-yardstick",
        }
    }
}

/// What the objects are made from, relative to the workspace: as long as none of these changes, it need not be
/// built again.
pub const SOURCES: &[&str] =
    &["agent-ebpf/src", "agent-ebpf/Cargo.toml", "Cargo.toml", "Cargo.lock", "rust-toolchain.toml"];

/// Builds an object (nothing is done when it is up to date) and returns where it is. Tools that are missing are fetched
/// first.
///
/// # Errors
/// When a tool is missing and cannot be fetched, or the programs do not compile; the message says what to do.
pub fn build(object: Object, target: &Target) -> Result<PathBuf> {
    let _lock = ToolsLock::acquire()?;
    let mut cargo = cargo("build", target)?;
    process::run(cargo.args(["--bin", object.binary()]))
        .with_context(|| format!("the kernel programs ({PACKAGE}) do not build: the messages above say why"))?;
    let file = folder(target).join(object.binary());
    ensure!(file.is_file(), "cargo built no {}", file.display());
    Ok(file)
}

/// Lints the kernel programs for their own target, with warnings as errors.
///
/// # Errors
/// When there are warnings, or as for [`build`].
pub fn lint(target: &Target) -> Result<()> {
    let _lock = ToolsLock::acquire()?;
    let mut cargo = cargo("clippy", target)?;
    process::run(cargo.args(["--", "-D", "warnings"]))
}

/// Where the objects for a target are.
pub fn folder(target: &Target) -> PathBuf {
    target_directory().join(target.triple()).join("release")
}

fn target_directory() -> PathBuf {
    workspace::target().join("bpf")
}

/// `cargo build` or `cargo clippy` for the kernel programs: whoever calls, with the same environment, so that none
/// undoes what another has built.
fn cargo(subcommand: &str, target: &Target) -> Result<Command> {
    let compiler = Compiler::pinned()?;
    let linker = linker::find_or_install()?;
    let library = library_source::find_or_fetch(&compiler)?;

    let mut cargo = clean_cargo();
    cargo.arg(subcommand).args(["--package", PACKAGE, "--target", target.triple(), "-Zbuild-std=core", "--release"]);
    cargo.arg("--target-dir").arg(target_directory());
    cargo
        // build-std is not stable, and this is the compiler's own way to allow it.
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_ENCODED_RUSTFLAGS", rustflags(target, &linker)?)
        .env("LD_LIBRARY_PATH", llvm::library_path(&compiler)?)
        // One module and no LTO by rustc: the linker joins and optimises all of it, and the BTF needs full debuginfo.
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "1")
        .env("CARGO_PROFILE_RELEASE_LTO", "false")
        .env("CARGO_PROFILE_RELEASE_DEBUG", "2");
    if let LibrarySource::Fetched(library) = library {
        cargo.env("__CARGO_TESTS_ONLY_SRC_ROOT", library);
    }
    Ok(cargo)
}

/// Cargo in the workspace, without what an outer Cargo left in the environment.
pub(crate) fn clean_cargo() -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    environment::clean(&mut cargo).current_dir(workspace::root());
    cargo
}

fn rustflags(target: &Target, linker: &Path) -> Result<String> {
    let linker = linker.to_str().with_context(|| format!("{} is not UTF-8", linker.display()))?;
    let mut flags = format!("--cfg=bpf_target_arch=\"{}\"", target.bpf_target_arch());
    for flag in ["-Cdebuginfo=2", "-Clink-arg=--btf", &format!("-Clinker={linker}")] {
        write!(flags, "\x1f{flag}").context("writing to a string")?;
    }
    Ok(flags)
}
