//! The compiler that the workspace is built with.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result};

use super::environment;
use crate::{process, workspace};

/// The compiler that the workspace is built with.
#[derive(Clone, Debug)]
pub(super) struct Compiler {
    /// For example `1.95.0`.
    pub(super) version: String,
    /// The folder that has its `lib`.
    pub(super) sysroot: PathBuf,
    /// The major version of its LLVM, for example `22`.
    pub(super) llvm: String,
}

impl Compiler {
    pub(super) fn pinned() -> Result<Self> {
        let answer = |arguments: &[&str]| {
            let mut rustc = Command::new("rustc");
            process::output(environment::clean(&mut rustc).args(arguments).current_dir(workspace::root()))
                .context("cannot ask `rustc`: install Rust, best with https://rustup.rs")
        };
        let about = answer(&["--version", "--verbose"])?;
        let version = field(&about, "release").context("`rustc -vV` gives no release")?.to_owned();
        let llvm = field(&about, "LLVM version").and_then(|version| version.split('.').next());
        let llvm = llvm.context("`rustc -vV` gives no version of LLVM")?.to_owned();
        Ok(Self { version, sysroot: answer(&["--print", "sysroot"])?.into(), llvm })
    }

    /// Whether rustup manages it: those lie in a folder `toolchains`.
    pub(super) fn is_rustups(&self) -> bool {
        self.sysroot.parent().and_then(|folder| folder.file_name()).is_some_and(|name| name == "toolchains")
            && process::find_on_path("rustup").is_some()
    }
}

/// The value in one line of `rustc -vV`.
fn field<'a>(about: &'a str, name: &str) -> Option<&'a str> {
    about.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_compiler_says_of_itself() {
        let about = "rustc 1.95.0 (59807616e 2026-04-14)\nbinary: rustc\nhost: x86_64-unknown-linux-gnu\n\
                     release: 1.95.0\nLLVM version: 22.1.2\n";
        assert_eq!(field(about, "release"), Some("1.95.0"));
        assert_eq!(field(about, "LLVM version"), Some("22.1.2"));
        assert_eq!(field(about, "commit-hash"), None);
    }
}
