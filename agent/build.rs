//! Builds the kernel object and tells the agent where it is.

use std::path::Path;
use std::{env, fs};

use anyhow::{Context as _, Result};
use xtask::{ebpf, workspace};

/// Names an object that was built before, by `cargo xtask build-ebpf`: for builds of the agent by another compiler than
/// the pinned one, which the kernel object needs.
const PREBUILT: &str = "PRONY_PREBUILT_EBPF";

fn main() -> Result<()> {
    for source in ebpf::SOURCES {
        println!("cargo:rerun-if-changed={}", workspace::root().join(source).display());
    }
    println!("cargo:rerun-if-env-changed={PREBUILT}");
    let object = match env::var_os(PREBUILT) {
        Some(object) => object.into(),
        None => ebpf::build(ebpf::Object::Agent, &ebpf::Target::of_build_script()?)?,
    };
    let embedded = Path::new(&env::var_os("OUT_DIR").context("Cargo sets OUT_DIR")?).join("prony-ebpf");
    fs::copy(&object, &embedded).with_context(|| format!("cannot copy {}", object.display()))?;
    println!("cargo:rustc-env=PRONY_EBPF_OBJECT={}", embedded.display());
    Ok(())
}
