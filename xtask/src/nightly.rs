//! The nightly compiler beside the pinned one.

use std::process::Command;

use crate::ebpf;
use crate::process::{self, find_on_path};

/// What has to be installed first, if anything.
pub fn missing() -> Option<String> {
    if find_on_path("rustup").is_none() {
        return Some("this needs a nightly compiler beside the pinned one: install rustup, https://rustup.rs".into());
    }
    if process::output(command("rustc").arg("--version")).is_err() {
        return Some("no nightly compiler is installed: `rustup toolchain install nightly --profile minimal`".into());
    }
    None
}

/// A program of it, or one that is to find it first.
pub fn command(program: &str) -> Command {
    let mut rustup = Command::new("rustup");
    ebpf::clean_environment(&mut rustup).args(["run", "nightly", program]);
    rustup
}
