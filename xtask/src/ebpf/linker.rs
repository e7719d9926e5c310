//! bpf-linker, of the one series that links with the compiler's own LLVM.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::process::{self, find_on_path};
use crate::{crates, workspace};

/// The last release that needs no LLVM of the system: 0.11 is built against LLVM's development packages.
const VERSION: &str = "0.10.3";
/// Releases that will do where one is installed.
const SERIES: &str = "0.10.";

/// The bpf-linker on `PATH` if it is of the right series, else the one under `target/tools`, built if need be.
pub(super) fn find_or_install() -> Result<PathBuf> {
    if let Some(installed) = find_on_path("bpf-linker").filter(|path| is_of_series(path)) {
        return Ok(installed);
    }
    let root = workspace::tools().join(format!("bpf-linker-{VERSION}"));
    let linker = root.join("bin/bpf-linker");
    if !is_of_series(&linker) {
        crates::install("bpf-linker", VERSION, &root).with_context(|| {
            format!(
                "bpf-linker is needed to link the kernel programs and could not be built: \
                 `cargo install bpf-linker --version {VERSION} --locked` on this or a like machine gives one; \
                 put it on PATH or at {}",
                linker.display()
            )
        })?;
        ensure!(is_of_series(&linker), "{} does not run", linker.display());
    }
    Ok(linker)
}

fn is_of_series(linker: &Path) -> bool {
    linker.is_file() && process::output(Command::new(linker).arg("--version")).is_ok_and(|answer| answers(&answer))
}

fn answers(version: &str) -> bool {
    version.strip_prefix("bpf-linker ").is_some_and(|number| number.starts_with(SERIES))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_series_that_needs_no_system_llvm_will_do() {
        assert!(answers("bpf-linker 0.10.3"));
        assert!(answers(&format!("bpf-linker {VERSION}")));
        assert!(!answers("bpf-linker 0.11.0"));
        assert!(!answers("bpf-linker 0.9.15"));
        assert!(!answers("ld 0.10.3"));
    }
}
