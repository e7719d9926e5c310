//! Builds the kernel object and tells the agent where it is.

use std::path::Path;
use std::{env, fs};

use anyhow::{Context as _, Result};
use xtask::{ebpf, workspace};

fn main() -> Result<()> {
    for source in ebpf::SOURCES {
        println!("cargo:rerun-if-changed={}", workspace::root().join(source).display());
    }
    let object = ebpf::build(ebpf::Object::Agent, &ebpf::Target::of_build_script()?)?;
    let embedded = Path::new(&env::var_os("OUT_DIR").context("Cargo sets OUT_DIR")?).join("prony-ebpf");
    fs::copy(&object, &embedded).with_context(|| format!("cannot copy {}", object.display()))?;
    println!("cargo:rustc-env=PRONY_EBPF_OBJECT={}", embedded.display());
    Ok(())
}
