//! `prony top --once` as a script uses it.

use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use prony_tests::skip;
use serde_json::Value;

use crate::bench::{Bench, needs_bench};

#[test]
fn top_prints_json_and_csv_with_the_load_in_it() {
    if let Some(reason) = needs_bench() {
        return skip("top::top_prints_json_and_csv_with_the_load_in_it", &reason);
    }
    print_once().unwrap();
}

fn top(bench: &Bench, arguments: &[&str]) -> Result<String> {
    let endpoint = format!("http://{}", bench.agent.grpc_address());
    let mut command = Command::new(std::env::var_os("PRONY_BIN").context("PRONY_BIN")?);
    let output = command.args(["top", "--once", "--endpoint", &endpoint]).args(arguments).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

fn print_once() -> Result<()> {
    let bench = Bench::start("top", "15")?;
    let answer: Value = serde_json::from_str(&top(&bench, &["--output", "json", "--zone", "package"])?)?;
    assert_eq!(answer["zone"], "package");
    let lines = answer["lines"].as_array().context("lines")?;
    let load = lines.iter().find(|line| line["name"] == "prony-load" && line["place"] == bench.group.name().as_str());
    let load = load.with_context(|| format!("no prony-load in {lines:?}"))?;
    for column in ["watts", "joules", "cpu_percent", "pid"] {
        assert!(load[column].as_f64().is_some_and(|value| value > 0.0), "{column} of {load}");
    }
    let sum: f64 = lines.iter().chain([&answer["others"]]).filter_map(|line| line["joules"].as_f64()).sum();
    let zone = answer["zones"].as_array().and_then(|zones| zones.iter().find(|zone| zone["zone"] == "package-0"));
    let zone = zone.context("the zone itself")?;
    // All static energy is shared out under this bench's policy but where nobody ran.
    let most = zone["active_joules"].as_f64().unwrap_or(0.0) + zone["idle_joules"].as_f64().unwrap_or(0.0);
    let least = zone["active_joules"].as_f64().unwrap_or(f64::INFINITY);
    assert!((least - 1e-6..=most + 1e-6).contains(&sum), "{sum} J of {zone}");

    let table = top(&bench, &["--output", "csv", "--by", "command", "--cgroup", &bench.group.name()])?;
    let mut rows = table.lines();
    assert_eq!(rows.next(), Some("zone,watts,joules,cpu_percent,pid,name,place,ended"));
    let row = rows.find(|row| row.contains("prony-load")).with_context(|| format!("no prony-load in\n{table}"))?;
    let fields: Vec<&str> = row.split(',').collect();
    assert_eq!((fields.len(), fields[5], fields[6]), (8, "prony-load", bench.group.name().as_str()));
    assert!(fields[1].parse::<f64>()? > 0.0 && fields[2].parse::<f64>()? > 0.0, "{row}");

    assert!(top(&bench, &["--lines", "3"])?.contains("NAME"));
    let unknown = top(&bench, &["--zone", "nowhere"]).unwrap_err().to_string();
    assert!(unknown.contains("package"), "an unknown zone's message names those that there are: {unknown}");
    Ok(())
}
