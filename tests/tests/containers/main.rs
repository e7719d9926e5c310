//! Real containers, by the runtimes that are used in earnest, and the agent beside them.

mod churn;
mod cri;
mod podman;
mod recognised;
mod short_lived;

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use prony_tests::containers::Rootfs;
use prony_tests::{needs_agent, needs_bpf, needs_root, needs_server};

const LOAD: &str = env!("CARGO_BIN_EXE_prony-load");
const ESTIMATE: &str = "[source.estimate]\nenabled = true\ntdp = 65.0\n";
/// How long it may take until what has happened is in the books.
const SETTLED_WITHIN: Duration = Duration::from_secs(30);

/// Why a test with these programs cannot run here.
fn needs(programs: &[&str]) -> Option<String> {
    let programs = || programs.iter().find_map(|program| needs_server(program));
    needs_root().or_else(needs_bpf).or_else(needs_agent).or_else(programs)
}

fn rootfs() -> Result<Rootfs> {
    Rootfs::with(Path::new(LOAD))
}

/// An id as runtimes give them, one for each number.
fn id(number: usize) -> String {
    format!("{:048x}{number:016x}", std::process::id())
}

/// A pod's UID, one for each number.
fn uid(number: usize) -> String {
    format!("{:08x}-c0de-4bad-8000-{number:012x}", std::process::id())
}
