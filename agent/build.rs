//! Builds the kernel objects and tells the agent where they are.

use std::path::{Path, PathBuf};
use std::{env, fs};

use anyhow::{Context as _, Result};
use xtask::{ebpf, workspace};

/// Names a folder with the objects as they were built before, by `cargo xtask build-ebpf`: for builds of the agent by
/// another compiler than the pinned one, which the kernel objects need.
const PREBUILT: &str = "PRONY_PREBUILT_EBPF";

fn main() -> Result<()> {
    for source in ebpf::SOURCES {
        println!("cargo:rerun-if-changed={}", workspace::root().join(source).display());
    }
    println!("cargo:rerun-if-env-changed={PREBUILT}");
    let prebuilt = env::var_os(PREBUILT).map(PathBuf::from);
    let folder = env::var_os("OUT_DIR").context("Cargo sets OUT_DIR")?;
    for object in ebpf::Object::OF_AGENT {
        let built = match &prebuilt {
            Some(folder) => folder.join(object.binary()),
            None => ebpf::build(object, &ebpf::Target::of_build_script()?)?,
        };
        let embedded = Path::new(&folder).join(object.binary());
        fs::copy(&built, &embedded).with_context(|| format!("cannot copy {}", built.display()))?;
        let variable = match object {
            ebpf::Object::Sockets => "PRONY_EBPF_SOCKETS_OBJECT",
            _ => "PRONY_EBPF_OBJECT",
        };
        println!("cargo:rustc-env={variable}={}", embedded.display());
    }
    Ok(())
}
