//! bpf-linker 0.10 brings no LLVM: it loads the first `libLLVM*` in the folders of the library path. That has to be the
//! one that the compiler itself is made with.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::compiler::Compiler;
use crate::workspace;

/// The library path for bpf-linker.
pub(super) fn library_path(compiler: &Compiler) -> Result<OsString> {
    let given = env::var_os("LD_LIBRARY_PATH").unwrap_or_default();
    let given = env::split_paths(&given).filter(|path| !path.as_os_str().is_empty());
    env::join_paths(folder(compiler)?.into_iter().chain(given)).context("a folder of LD_LIBRARY_PATH has a colon")
}

/// The folder that has the compiler's LLVM: the toolchain's own, or one made here for distributions that keep it among
/// all the machine's libraries, where there may be several. None where it is nowhere to be seen: bpf-linker looks
/// further.
fn folder(compiler: &Compiler) -> Result<Option<PathBuf>> {
    let lib = compiler.sysroot.join("lib");
    if find(&lib, "libLLVM").is_some() {
        return Ok(Some(lib));
    }
    let name = format!("libLLVM.so.{}", compiler.llvm);
    let mut multiarch = entries(&lib).into_iter().filter(|folder| folder.to_string_lossy().contains("-linux-"));
    let Some(library) = multiarch.find_map(|folder| find(&folder, &name)) else { return Ok(None) };
    let folder = workspace::tools().join(format!("llvm-{}", compiler.llvm));
    let link = folder.join(&name);
    if fs::read_link(&link).ok().as_ref() != Some(&library) {
        fs::create_dir_all(&folder)?;
        // There may be a link to what was there before an upgrade.
        let _ = fs::remove_file(&link);
        symlink(&library, &link).with_context(|| format!("cannot create {}", link.display()))?;
    }
    Ok(Some(folder))
}

fn find(folder: &Path, beginning: &str) -> Option<PathBuf> {
    entries(folder)
        .into_iter()
        .find(|file| file.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(beginning)))
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).map(|entries| entries.flatten().map(|entry| entry.path()).collect()).unwrap_or_default()
}
