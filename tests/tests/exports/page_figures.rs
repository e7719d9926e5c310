//! The figures that the page shows are those that Prometheus and gRPC show.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use prony_proto::energy::v1 as pb;
use prony_tests::{Sample, TestCgroup, get, skip};
use serde_json::Value;

use crate::bench::{Bench, needs_bench};
use crate::grpc::Client;
use crate::mirror::{energies, name};

/// An id as Docker's.
const CONTAINER: &str = "5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed";

fn json(bench: &Bench, path: &str) -> Result<Value> {
    let answer = get(bench.agent.metrics_address(), path, &[])?;
    anyhow::ensure!(answer.status == 200, "{path}: {} {}", answer.status, answer.text()?);
    Ok(serde_json::from_str(answer.text()?)?)
}

/// Microjoules by zone of every line of a level, by what names it over gRPC.
fn on_the_page(bench: &Bench, level: &str) -> Result<BTreeMap<String, Vec<u64>>> {
    let table = json(bench, &format!("/live/lines?level={level}&limit=500&sort=energy"))?;
    let lines = table["lines"].as_array().context("lines")?.iter();
    lines.map(|line| Ok((line["id"].as_str().context("an id")?.to_owned(), numbers(&line["microjoules"])?))).collect()
}

fn numbers(value: &Value) -> Result<Vec<u64>> {
    value.as_array().context("numbers")?.iter().map(|number| number.as_u64().context("a whole number")).collect()
}

/// The same over gRPC.
fn over_grpc(client: &Client, granularity: pb::Granularity, zones: usize) -> Result<BTreeMap<String, Vec<u64>>> {
    let picture = client.snapshot(granularity)?;
    let line = |line: &pb::Line| {
        let used = energies(line.totals.as_ref().expect("totals"));
        let zone = |zone| used.get(&zone).map_or(0, |(active, idle)| active + idle);
        let letter = match line.subject {
            Some(pb::line::Subject::Process(_)) => 'p',
            Some(pb::line::Subject::Container(_)) => 'c',
            _ => 'g',
        };
        let name = name(line);
        let name = match *name.split(' ').collect::<Vec<_>>() {
            [cgroup, pid, start] => format!("{pid}:{start}:{cgroup}"),
            _ => name.clone(),
        };
        (format!("{letter}:{name}"), (0..zones as u32).map(zone).collect())
    };
    Ok(picture.lines.iter().map(line).collect())
}

#[test]
fn every_figure_is_the_same_as_in_prometheus_and_grpc() {
    if let Some(reason) = needs_bench() {
        return skip("every_figure_is_the_same_as_in_prometheus_and_grpc", &reason);
    }
    compare().unwrap();
}

fn compare() -> Result<()> {
    let mut bench = Bench::start("page", "60")?;
    let container = TestCgroup::container(CONTAINER)?;
    let mut spin = container.command(env!("CARGO_BIN_EXE_prony-load"));
    let _load = prony_tests::Running::start(spin.args(["spin", "60"]).stdout(std::process::Stdio::null()))?;
    let of_container = [("container_id", CONTAINER)];
    bench.until("the container", |samples| samples.sum("kepler_container_cpu_joules_total", &of_container) > 0.0)?;
    let samples = bench.stand_still()?;
    let client = Client::of(&bench)?;
    let zones = json(&bench, "/live/lines?level=cgroup")?["zones"].as_array().context("zones")?.len();
    for (level, granularity) in [
        ("process", pb::Granularity::Process),
        ("cgroup", pb::Granularity::Cgroup),
        ("container", pb::Granularity::Container),
    ] {
        let (page, grpc) = (on_the_page(&bench, level)?, over_grpc(&client, granularity, zones)?);
        let used = |lines: &BTreeMap<String, Vec<u64>>| {
            lines.values().filter(|line| line.iter().any(|&used| used > 0)).count()
        };
        assert!(used(&page) >= 1, "{level}: somebody has used something");
        for (id, microjoules) in page.iter().filter(|(_, line)| line.iter().any(|&used| used > 0)) {
            assert_eq!(Some(microjoules), grpc.get(id), "{level} {id}");
        }
    }
    let cgroups = json(&bench, "/live/lines?level=cgroup&limit=500")?;
    for line in cgroups["lines"].as_array().context("lines")? {
        let id = line["id"].as_str().and_then(|id| id.strip_prefix("g:")).context("an id")?;
        let of_cgroup = [("cgroup_id", id)];
        let told = samples.matching("prony_cgroup_joules_total", &of_cgroup);
        let told: u64 = told.map(Sample::millionths).sum::<Result<u64>>()?;
        assert_eq!(numbers(&line["microjoules"])?.iter().sum::<u64>(), told, "cgroup {id} in Prometheus");
    }
    let history = json(&bench, "/live/history?span=hour&level=cgroup")?;
    let total: u64 = numbers(&history["total"])?.iter().sum();
    let headline = history["zones"].as_array().context("zones")?.iter().filter(|zone| zone["headline"] == true);
    let measured: u64 =
        headline.map(|zone| Ok(numbers(&zone["microjoules"])?.iter().sum::<u64>())).sum::<Result<u64>>()?;
    assert_eq!(total, measured, "what the chart shows is what the meters say");
    Ok(())
}
