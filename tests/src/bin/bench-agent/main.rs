//! What the agent itself costs: CPU time and memory with many consumers, without load, in a storm of process starts,
//! at windows of 10 ms, and what a scrape of 10,000
//! consumers takes and the page that shows them.
//!
//! CPU time is the kernel's own count: the agent has a cgroup to itself, whose `usage_usec` holds also what its ended
//! threads have used. Each figure is the median of several intervals, since other work on the machine slows the agent
//! down by taking its caches. Memory is what is resident of the process, plus all memory of its kernel maps and programs.

mod crowd;
mod idle;
mod measure;
mod page;
mod scrape;
mod sleepers;
mod storm;
mod table;

use std::process::ExitCode;

use anyhow::{Result, ensure};
use prony_tests::{needs_agent, needs_bpf, needs_root};

use table::Row;

type Part = fn() -> Result<Vec<Row>>;

const PARTS: [(&str, Part); 7] = [
    ("idle", idle::measure),
    ("crowd", crowd::at_default_windows),
    ("learned", crowd::that_is_learned),
    ("fast", crowd::at_short_windows),
    ("storm", storm::measure),
    ("scrape", scrape::measure),
    ("page", page::measure),
];

fn main() -> Result<ExitCode> {
    if let Some(reason) = needs_root().or_else(needs_bpf).or_else(needs_agent) {
        anyhow::bail!("{reason}");
    }
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let known = |name: &String| PARTS.iter().any(|(part, _)| part == name);
    ensure!(
        wanted.iter().all(known),
        "usage: bench-agent [idle|crowd|learned|fast|storm|scrape|page]...; all where none is named"
    );
    table::begin();
    let mut over = false;
    for (name, part) in PARTS {
        if wanted.is_empty() || wanted.iter().any(|part| part == name) {
            eprintln!("measuring: {name}");
            // As they come: all of them take a quarter of an hour.
            for row in part()? {
                println!("{row}");
                over |= row.is_over();
            }
        }
    }
    Ok(if over { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
