//! How much faster than it came a trace is replayed: ten minutes of windows of 100 ms with 100 consumers each, RAPL in every
//! window and a meter once a second. The limit is a thousand times.

use std::fs::{self, File};
use std::io::BufReader;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use prony::config::{Policy, StaticPower, Weights};
use prony::trace::{By, Replay, ReplayOptions};
use prony::units::Volts;
use prony_tests::bench::median;
use serde_json::{Value, json};

const WINDOWS: u64 = 6_000;
const CONSUMERS: u64 = 100;
const CPUS: u64 = 8;
const LENGTH: u64 = 100_000_000;
const ROUNDS: usize = 5;
const LIMIT: f64 = 1_000.0;

fn main() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (trace, result) = (folder.path().join("trace.jsonl"), folder.path().join("result.jsonl"));
    fs::write(&trace, text())?;
    println!("{:<12} {:>14} {:>12}", "lines for", "times as fast", "MiB out");
    let mut slowest = f64::INFINITY;
    for (name, by) in [("processes", By::Process), ("cgroups", By::Cgroup)] {
        let options = ReplayOptions {
            policy: Policy::Separate,
            weights: Weights::Common,
            static_power: StaticPower::default(),
            volts: Volts(5.0),
            volts_tolerance: 0.05,
            fork_servers: Vec::new(),
            by,
        };
        let mut rounds = Vec::new();
        for _ in 0..ROUNDS {
            let began = Instant::now();
            let out = File::create(&result)?;
            let done =
                Replay::run(|| File::open(&trace).map(|file| BufReader::with_capacity(1 << 18, file)), &options, out)?;
            ensure!(done.windows == WINDOWS, "{done:?}");
            rounds.push(done.time.seconds() / began.elapsed().as_secs_f64());
        }
        let times = median(rounds);
        let written = fs::metadata(&result).context("the result")?.len() as f64 / f64::from(1 << 20);
        println!("{name:<12} {times:>14.0} {written:>12.1}");
        slowest = slowest.min(times);
    }
    ensure!(slowest >= LIMIT, "{slowest:.0} times as fast is less than {LIMIT}");
    Ok(())
}

fn text() -> String {
    let cpus: Vec<Value> = (0..CPUS).map(|cpu| json!({ "cpu": cpu, "package": 0, "core": cpu })).collect();
    let header = json!({ "prony_trace": 1, "node": "bench", "cpus": cpus });
    (0..WINDOWS).flat_map(window).fold(header.to_string(), |text, line| text + "\n" + &line.to_string()) + "\n"
}

/// The lines of a window.
fn window(number: u64) -> Vec<Value> {
    let (from, to) = (number * LENGTH, (number + 1) * LENGTH);
    let total = number * 2_345_678;
    let package = json!({ "source": "rapl", "zone": "package", "socket": 0, "cumulative_uj": total });
    let mut lines = vec![json!({ "at_ns": to, "reading": package })];
    if number % 10 == 9 {
        let node = json!({ "source": "meter", "zone": "node", "cumulative_uj": 2 * total });
        lines.push(json!({ "at_ns": to, "reading": node }));
    }
    let consumer = |consumer: u64| {
        let (cpu, time) = (consumer % CPUS, 2_000_000 + (number * 7_919 + consumer * 104_729) % 5_000_000);
        let cgroup = format!("/kubepods/pod{}/{consumer}", consumer / 2);
        json!({ "cgroup": cgroup, "pid": 1_000 + consumer, "comm": "function", "cpu_ns": [[cpu, time]] })
    };
    let consumers: Vec<Value> = (0..CONSUMERS).map(consumer).collect();
    let activity = json!({ "from_ns": from, "to_ns": to, "idle_ns": [[0, 20_000_000]], "consumers": consumers });
    lines.push(json!({ "at_ns": to, "activity": activity }));
    lines
}
