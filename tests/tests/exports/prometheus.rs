//! A real Prometheus, its linter, and the formats that it asks for.

use std::time::Duration;

use anyhow::Result;
use prony_tests::{Prometheus, assert_books, assert_lint, get, needs_server, skip};

use crate::bench::{Bench, needs_bench};

#[test]
fn a_real_prometheus_scrapes_and_queries() {
    if let Some(reason) = needs_bench().or_else(|| needs_server("prometheus")) {
        return skip("prometheus::a_real_prometheus_scrapes_and_queries", &reason);
    }
    scrape().unwrap();
}

fn scrape() -> Result<()> {
    let mut bench = Bench::start("prometheus", "20")?;
    let prometheus = Prometheus::start(bench.agent.metrics_address(), None)?;
    prometheus.until("/api/v1/targets", |answer| {
        let target = &answer["data"]["activeTargets"][0];
        assert!(target["lastError"].as_str().is_none_or(str::is_empty), "{target}");
        (target["health"] == "up").then_some(())
    })?;
    for (_, watts) in prometheus.query("kepler_node_cpu_watts")? {
        assert!(watts >= 0.0);
    }
    let rates = prometheus.query("sum(rate(prony_zone_measured_joules_total{zone=\"package\"}[15s])) > 0")?;
    assert!(rates[0].1 > 0.0, "{rates:?}");
    let load = format!(
        "prony_command_joules_total{{cgroup=\"{}\",comm=\"prony-load\",part=\"active\"}} > 0",
        bench.group.name()
    );
    assert!(!prometheus.query(&load)?.is_empty());

    // What Prometheus has stored adds up as what the agent has told.
    bench.stand_still()?;
    std::thread::sleep(Duration::from_secs(2));
    let difference = "abs(sum without (part) (prony_zone_joules_total) - on(node_name, zone, socket, source, provenance) \
                      prony_zone_measured_joules_total)";
    let differences = prometheus.query(difference)?;
    assert!(differences.iter().all(|(_, joules)| *joules < 1e-9), "{differences:?}");
    for (metric, errors) in prometheus.query("prony_books_error_microjoules")? {
        assert_eq!(errors.to_bits(), 0, "{metric}");
    }
    Ok(())
}

#[test]
fn the_linter_finds_no_error() {
    if let Some(reason) = needs_bench().or_else(|| needs_server("promtool")) {
        return skip("prometheus::the_linter_finds_no_error", &reason);
    }
    lint().unwrap();
}

fn lint() -> Result<()> {
    let bench = Bench::start("lint", "1")?;
    assert_lint(&bench.agent.metrics()?)
}

#[test]
fn each_client_gets_the_format_that_it_asks_for() {
    if let Some(reason) = needs_bench() {
        return skip("prometheus::each_client_gets_the_format_that_it_asks_for", &reason);
    }
    formats().unwrap();
}

fn formats() -> Result<()> {
    let bench = Bench::start("formats", "1")?;
    let server = bench.agent.metrics_address();
    let text = get(server, "/metrics", &[])?;
    assert!(text.header("content-type").is_some_and(|kind| kind.starts_with("text/plain; version=0.0.4")));
    assert!(!text.text()?.contains("# EOF"));

    let open = get(server, "/metrics", &[("Accept", "application/openmetrics-text; version=1.0.0")])?;
    assert!(open.header("content-type").is_some_and(|kind| kind.starts_with("application/openmetrics-text")));
    assert!(open.text()?.ends_with("\n# EOF\n"), "an OpenMetrics page ends with its mark");
    assert!(open.text()?.contains("# TYPE prony_zone_measured_joules counter\n"), "a counter's family has no _total");
    assert!(open.text()?.contains("# UNIT prony_zone_measured_joules joules\n"));
    assert_books(&prony_tests::Samples::parse(open.text()?)?)?;

    let packed = get(server, "/metrics", &[("Accept-Encoding", "gzip")])?;
    assert_eq!(packed.header("content-encoding"), Some("gzip"));
    assert_eq!(packed.body[..2], [0x1f, 0x8b]);
    assert!(packed.body.len() * 2 < text.body.len(), "{} of {} bytes", packed.body.len(), text.body.len());

    let health = get(server, "/healthz", &[])?;
    assert_eq!((health.status, health.text()?), (200, "ok\n"));
    assert_eq!(get(server, "/nonsense", &[])?.status, 404);
    Ok(())
}
