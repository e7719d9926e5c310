//! The sources of the compiler's `core`, which is built anew for the kernel's virtual machine. They have to be of the
//! very same release.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};

use super::compiler::Compiler;
use super::environment;
use crate::debian::{self, Apt};
use crate::process::{self, say};
use crate::workspace;

/// rustup may wait for a network that does not answer; its download is 3 MB.
const RUSTUP_LIMIT: Duration = Duration::from_mins(2);
/// The suite of Debian's archive that has this release; its package is for every architecture.
const DEBIAN_SUITE: &str = "trixie-backports";

/// Where the sources are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum LibrarySource {
    /// In the toolchain, where Cargo looks for them.
    Toolchain,
    /// In this folder, which Cargo has to be told.
    Fetched(PathBuf),
}

/// The toolchain's own sources, else those fetched before, else fetched now: by rustup, or from Debian's archive.
pub(super) fn find_or_fetch(compiler: &Compiler) -> Result<LibrarySource> {
    let own = compiler.sysroot.join("lib/rustlib/src/rust/library");
    if is_library(&own) {
        return Ok(LibrarySource::Toolchain);
    }
    let version = &compiler.version;
    let fetched = workspace::tools().join(format!("rust-src-{version}")).join("library");
    if is_library(&fetched) {
        return Ok(LibrarySource::Fetched(fetched));
    }

    let rustup = add_component(compiler).and_then(|()| {
        if is_library(&own) { Ok(()) } else { Err(anyhow!("rustup put nothing into {}", own.display())) }
    });
    let Err(rustup) = rustup else { return Ok(LibrarySource::Toolchain) };
    say(format_args!("no rust-src from rustup: {rustup:#}"));

    match fetch_from_debian(version, &fetched) {
        Ok(()) => Ok(LibrarySource::Fetched(fetched)),
        Err(debian) => bail!(
            "the kernel programs need the sources of Rust {version}'s library, and there was no way to get them.\n  \
             rustup: {rustup:#}\n  Debian: {debian:#}\n\
             Do one of these: `rustup component add rust-src`; \
             `apt-get install rust-src` where that is version {version}; \
             or copy the folder `library` of Rust {version}'s sources to {}",
            fetched.display()
        ),
    }
}

fn is_library(directory: &Path) -> bool {
    directory.join("core/src/lib.rs").is_file()
}

fn add_component(compiler: &Compiler) -> Result<()> {
    if !compiler.is_rustups() {
        bail!("this compiler ({}) is not rustup's", compiler.sysroot.display());
    }
    say("adding the component rust-src to the toolchain (rustup component add rust-src)");
    let mut rustup = Command::new("rustup");
    environment::clean(&mut rustup).args(["component", "add", "rust-src"]).current_dir(workspace::root());
    process::run_within(&mut rustup, RUSTUP_LIMIT)
}

fn fetch_from_debian(version: &str, into: &Path) -> Result<()> {
    let sources = debian::configured(Path::new("/etc/apt"));
    let archives = debian::archives(&sources);
    if archives.is_empty() {
        bail!("apt has no source on this machine that could be Debian's archive");
    }
    let mut failures = Vec::new();
    for (uri, source) in archives {
        say(format_args!("fetching rust-src {version} from {uri} ({DEBIAN_SUITE}) under target/tools; 45 MB"));
        match fetch_from_archive(version, &source.stanza(uri, DEBIAN_SUITE), into) {
            Ok(()) => return Ok(()),
            Err(error) => failures.push(format!("{uri}: {error:#}")),
        }
    }
    bail!("{}", failures.join("; "))
}

fn fetch_from_archive(version: &str, stanza: &str, into: &Path) -> Result<()> {
    let directory = workspace::tools().join("apt").join(DEBIAN_SUITE);
    let apt = Apt::with_source(&directory, stanza)?;
    apt.update()?;
    let package = apt.download(&format!("rust-src={version}*"))?;
    debian::unpack(&package, &format!("usr/src/rustc-{version}/library"), into)?;
    fs::remove_dir_all(&directory).with_context(|| format!("cannot remove {}", directory.display()))?;
    if !is_library(into) {
        bail!("the package has no library sources where they were expected");
    }
    Ok(())
}
