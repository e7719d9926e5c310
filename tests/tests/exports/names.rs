//! Names that would break a format that does not escape them.

use std::process::Stdio;

use anyhow::Result;
use prony_tests::{Running, assert_books, skip};

use crate::bench::{Bench, needs_bench};

/// As a file's name, and as the kernel keeps it: 15 bytes, the last of which is the first half of a letter.
const COMMAND: &str = "a\"b\\c{d=\"\"},\nfé";
/// Half a letter is no text, and shown as what stands for that.
const SHOWN: &str = "a\"b\\c{d=\"\"},\nf\u{fffd}";

#[test]
fn hostile_names_are_told_as_they_are() {
    if let Some(reason) = needs_bench() {
        return skip("names::hostile_names_are_told_as_they_are", &reason);
    }
    tell_names().unwrap();
}

fn tell_names() -> Result<()> {
    let bench = Bench::start("a\"quoted\\name{x=\"y\"}", "6")?;
    let mut storm = bench.group.command(env!("CARGO_BIN_EXE_prony-load"));
    let storm = storm.args(["storm", "50", "2", "5", COMMAND]).stdout(Stdio::null());
    Running::start(storm)?.wait()?;
    let group = bench.group.name();
    let samples = bench.until("the hostile command's line", |samples| {
        samples.sum("prony_command_joules_total", &[("cgroup", &group), ("comm", SHOWN), ("part", "active")]) > 0.0
    })?;
    assert_books(&samples)?;
    let ours = samples.matching("prony_cgroup_cpu_seconds_total", &[("cgroup", &group)]).count();
    assert_eq!(ours, 1, "the cgroup has its own name");
    Ok(())
}
