//! `prony record` on this kernel, and `prony replay` of what it has recorded.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use flate2::read::GzDecoder;
use prony_tests::{FakeRapl, Running, TestCgroup, Zone, needs_agent, needs_bpf, needs_root, skip};
use serde_json::Value;

const LOAD: &str = env!("CARGO_BIN_EXE_prony-load");

/// Runs the agent's program to its end; what it says on standard error.
fn prony(arguments: &[&str]) -> Result<String> {
    let program = std::env::var_os("PRONY_BIN").context("PRONY_BIN")?;
    let output = Command::new(program).args(arguments).output()?;
    let said = String::from_utf8(output.stderr)?;
    ensure!(output.status.success(), "prony {arguments:?}: {said}");
    Ok(said)
}

fn lines(text: &str) -> impl Iterator<Item = Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("JSON"))
}

#[test]
fn what_ran_is_recorded_and_replayed_to_the_microjoule() -> Result<()> {
    if let Some(reason) = needs_root().or_else(needs_bpf).or_else(needs_agent) {
        skip("what_ran_is_recorded_and_replayed_to_the_microjoule", &reason);
        return Ok(());
    }
    let (folder, rapl) = (tempfile::tempdir()?, FakeRapl::new()?);
    let [trace, result, again] = ["trace.jsonl.gz", "result.jsonl", "again.jsonl"].map(|name| folder.path().join(name));
    let path = |path: &Path| path.to_str().map(str::to_owned).context("the path is no UTF-8");
    let group = TestCgroup::new("recorded")?;
    let _load = Running::start(group.command(LOAD).args(["spin", "6"]))?;
    let file = path(&trace)?;
    let recording = [&["record", "--out", &file, "--for", "3s"][..], &rapl.arguments()].concat();
    let said = std::thread::scope(|scope| -> Result<String> {
        let mover = scope.spawn(|| move_package(&rapl));
        let said = prony(&recording);
        mover.join().expect("the mover has failed")?;
        said
    })?;
    ensure!(said.contains("windows"), "{said}");

    let mut recorded = String::new();
    GzDecoder::new(File::open(&trace)?).read_to_string(&mut recorded)?;
    let of = |key: &str| lines(&recorded).filter_map(|line| line.get(key).cloned()).collect::<Vec<_>>();
    let totals: Vec<u64> = of("reading")
        .iter()
        .filter(|reading| reading["zone"] == "package" && reading["estimated"].is_null())
        .filter_map(|reading| reading["cumulative_uj"].as_u64())
        .collect();
    let (Some(first), Some(last)) = (totals.first(), totals.last()) else { anyhow::bail!("no reading of RAPL") };
    ensure!(last > first, "the counter has not moved");
    let windows = of("activity");
    ensure!(windows.len() >= 20, "{} windows in 3 s", windows.len());
    let cpus = of("cpus").first().and_then(Value::as_array).context("no CPUs")?.len();
    let (had, there) = (time_in(&windows[0]), length_of(&windows[0]) * cpus as f64);
    ensure!((had / there - 1.0).abs() < 0.01, "the first window has {had} ns of the {there} ns that there are");

    for out in [&result, &again] {
        let said = prony(&["replay", &file, "--policy", "proportional", "--out", &path(out)?])?;
        ensure!(said.contains(&format!("{} windows", windows.len())), "{said}");
    }
    ensure!(fs::read(&result)? == fs::read(&again)?, "it is not the same twice");
    let mut energies = BTreeMap::<String, u64>::new();
    for line in BufReader::new(File::open(&result)?).lines() {
        let line: Value = serde_json::from_str(&line?)?;
        if line["zone"] == "package-0" {
            let part = |key: &str| line[key].as_u64().context("microjoules");
            let whose = line["cgroup"].as_str().context("whose")?;
            *energies.entry(whose.to_owned()).or_default() += part("active_uj")? + part("idle_uj")?;
        }
    }
    let (whole, load) = (energies.values().sum::<u64>(), energies[&group.name()]);
    println!("{whole} uJ, of which the load has {load}");
    ensure!(whole == last - first, "the parts are {whole} uJ, the counter has moved by {} uJ", last - first);
    ensure!(load > whole / 4, "the load has {load} of {whole} uJ");
    Ok(())
}

/// Nanoseconds of all CPUs that a window tells of.
fn time_in(window: &Value) -> f64 {
    let sum = |times: &Value| times.as_array().into_iter().flatten().filter_map(|time| time[1].as_f64()).sum::<f64>();
    let consumers = window["consumers"].as_array().into_iter().flatten();
    sum(&window["idle_ns"]) + consumers.map(|consumer| sum(&consumer["cpu_ns"])).sum::<f64>()
}

/// Nanoseconds from a window's beginning to its end.
fn length_of(window: &Value) -> f64 {
    window["to_ns"].as_f64().unwrap_or_default() - window["from_ns"].as_f64().unwrap_or_default()
}

/// Moves the package's counter for four seconds.
fn move_package(rapl: &FakeRapl) -> Result<()> {
    for step in 0..400 {
        rapl.set(Zone::Package, step * 123_457)?;
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    Ok(())
}

#[test]
fn a_trace_that_makes_no_sense_is_refused_with_its_line() -> Result<()> {
    if let Some(reason) = needs_agent() {
        skip("a_trace_that_makes_no_sense_is_refused_with_its_line", &reason);
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let trace = folder.path().join("bad.jsonl");
    fs::write(&trace, "{\"prony_trace\":1,\"cpus\":[]}\n{\"at_ns\":7}\n")?;
    let error = prony(&["replay", trace.to_str().context("the path is no UTF-8")?]).unwrap_err().to_string();
    ensure!(error.contains("bad.jsonl: line 2: it has none of activity"), "{error}");
    Ok(())
}
