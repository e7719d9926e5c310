//! A real `InfluxDB` that is written to, goes away and comes back.

use std::process::Stdio;
use std::thread;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, ensure};
use prony_tests::{DockerEngine, InfluxDb, Points, Running, Samples, TestCgroup, Zone, needs_server, skip, wait_until};
use serde_json::{Value, json};

use crate::bench::{Bench, needs_bench};

/// A name with everything in it that line protocol has to escape and a folder may have.
const HOSTILE: &str = r"a b,c=d\x2de";
/// The agent tries again after 30 s at the latest.
const PATIENCE: Duration = Duration::from_mins(1);
const ALL: &str = "SELECT power FROM power_consumption GROUP BY *";

fn needs_database() -> Option<String> {
    needs_bench().or_else(|| needs_server("influxd"))
}

fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64)
}

/// What was used in all, in joules.
struct Figures {
    scrape: Samples,
    series: Vec<Points>,
}

impl Figures {
    /// Once nothing changes any more, and the database has all of it.
    fn when_still(bench: &mut Bench, database: &InfluxDb) -> Result<Self> {
        let scrape = bench.stand_still()?;
        let since = now();
        let series = wait_until(PATIENCE, || {
            let series = database.query(ALL).ok()?;
            let is_later = |series: &Points| series.points.last().is_some_and(|(at, _)| *at > since);
            series.iter().any(|it| has(it, &[("target", "rapl")]) && is_later(it)).then_some(series)
        });
        let series =
            series.with_context(|| format!("the database does not get it; the log:\n{}", bench.agent.log()))?;
        Ok(Self { scrape, series })
    }

    fn written(&self, tags: &[(&str, &str)]) -> f64 {
        self.series.iter().filter(|series| has(series, tags)).map(Points::integral).sum()
    }

    fn told(&self, metric: &str, labels: &[(&str, &str)]) -> f64 {
        self.scrape.sum(metric, labels)
    }
}

fn has(series: &Points, tags: &[(&str, &str)]) -> bool {
    tags.iter().all(|(name, value)| series.tags[name] == *value)
}

#[test]
fn the_database_has_what_the_books_say_though_it_was_away() {
    if let Some(reason) = needs_database() {
        return skip("influxdb::the_database_has_what_the_books_say_though_it_was_away", &reason);
    }
    away_and_back().unwrap();
}

fn away_and_back() -> Result<()> {
    let mut database = InfluxDb::start()?;
    let config = format!("{}interval = '200ms'\n[prometheus]\npowerapi = true\n", database.config());
    let mut bench = Bench::start_with(HOSTILE, "120", &config)?;
    let before = Figures::when_still(&mut bench, &database)?;
    bench.move_on()?;
    thread::sleep(Duration::from_secs(1));
    database.go_away();
    bench.until("it is told that the database is away", |samples| {
        samples.sum("prony_problems_total", &[("kind", "influxdb_unavailable")]) > 1.0
    })?;
    database.come_back()?;
    let after = Figures::when_still(&mut bench, &database)?;

    let group = bench.group.name();
    for (zone, scope) in [(Zone::Package, "cpu"), (Zone::Dram, "dram")] {
        let of_zone = ("zone", zone.label());
        let told = |metric: &str, labels: &[(&str, &str)]| {
            let labels = [labels, &[of_zone]].concat();
            after.told(metric, &labels) - before.told(metric, &labels)
        };
        let written = |tags: &[(&str, &str)]| {
            let tags = [tags, &[("scope", scope), ("socket", "0")]].concat();
            after.written(&tags) - before.written(&tags)
        };
        let part = |part: &str| told("prony_zone_joules_total", &[("part", part)]);
        let (charged, idle) = (part("active") + part("idle_shared"), part("idle"));
        let consumers: f64 = ["container", "cgroup", "other"].iter().map(|kind| written(&[("kind", kind)])).sum();
        for (what, written, told) in [
            ("rapl", written(&[("target", "rapl")]), told("prony_zone_measured_joules_total", &[])),
            ("global", written(&[("target", "global")]), charged + idle),
            ("consumers", consumers, charged),
            ("the load", written(&[("target", &group)]), told("prony_cgroup_joules_total", &[("cgroup", &group)])),
        ] {
            assert!(told > 0.0, "{scope}: nothing is told of {what}");
            assert!((written - told).abs() < 1e-6, "{scope}: of {what} {written} J were written of {told} J");
        }
    }
    for target in ["rapl", "global", &group] {
        assert_same_labels(&after, target)?;
    }
    let samples = bench.agent.samples()?;
    assert_eq!(samples.sum("prony_influxdb_points_dropped_total", &[]).to_bits(), 0.0_f64.to_bits());
    assert!(samples.sum("prony_influxdb_points_written_total", &[]) > 0.0);
    let log = bench.agent.log();
    assert!(log.contains("InfluxDB does not answer"), "{log}");
    Ok(())
}

/// Prometheus shows a target of the package under the names that the database has.
fn assert_same_labels(figures: &Figures, target: &str) -> Result<()> {
    let wanted = [("target", target), ("scope", "cpu")];
    let shown = figures.scrape.matching("power_estimation_watts", &wanted).next().context("it is not shown")?;
    let series = figures.series.iter().find(|series| has(series, &wanted)).context("it is not written")?;
    let written = series.tags.as_object().context("no tags")?;
    let mut labels = shown.labels.clone();
    labels.remove("node_name");
    for (name, value) in labels {
        let tag = written.get(&name).and_then(Value::as_str).unwrap_or_default();
        assert_eq!(tag, value, "{name} of {target}");
    }
    Ok(())
}

#[test]
fn what_is_lost_while_it_is_away_for_too_long_is_counted_and_it_goes_on() {
    if let Some(reason) = needs_database() {
        return skip("influxdb::what_is_lost_while_it_is_away_for_too_long_is_counted_and_it_goes_on", &reason);
    }
    away_for_too_long().unwrap();
}

fn away_for_too_long() -> Result<()> {
    const RAPL: &str = "SELECT power FROM power_consumption WHERE target = 'rapl' AND scope = 'cpu'";
    let mut database = InfluxDb::start()?;
    let config = database.config() + "interval = '20ms'\nbuffer_kibibytes = 64\n[activity]\nwindow = '20ms'\n";
    let bench = Bench::start_with("overflow", "120", &config)?;
    let times = |database: &InfluxDb| -> Option<Vec<u64>> {
        let series = database.query(RAPL).ok()?;
        Some(series.first()?.points.iter().map(|(at, _)| *at).collect())
    };
    // What it shows first may not be on its disk yet.
    wait_until(PATIENCE, || times(&database).filter(|times| times.len() > 20)).context("the database gets nothing")?;
    database.go_away();
    let went = now();
    let dropped = |samples: &Samples| samples.sum("prony_influxdb_points_dropped_total", &[("reason", "buffer_full")]);
    let found = wait_until(PATIENCE, || bench.agent.samples().ok().filter(|samples| dropped(samples) > 0.0));
    found.with_context(|| format!("nothing is dropped; the log:\n{}", bench.agent.log()))?;
    let came = now();
    database.come_back()?;

    let caught_up = |times: &Vec<u64>| times.last().is_some_and(|last| *last > came);
    let times = wait_until(PATIENCE, || times(&database).filter(&caught_up)).context("it does not catch up")?;
    let written = bench.agent.samples()?.sum("prony_influxdb_points_written_total", &[]);
    let count = database.query("SELECT count(power) FROM power_consumption")?;
    let count = count.first().and_then(|series| series.points.first()).context("a count")?.1;
    assert!(count >= written, "{written} points are said to be written, and {count} are there");
    assert!(times.iter().any(|at| *at < went), "what was written before it went is still there");
    let log = bench.agent.log();
    assert!(log.contains("points are dropped because too much waits for InfluxDB"), "{log}");
    Ok(())
}

#[test]
fn points_wait_until_somebody_has_made_what_they_go_to() {
    if let Some(reason) = needs_database() {
        return skip("influxdb::points_wait_until_somebody_has_made_what_they_go_to", &reason);
    }
    made_later().unwrap();
}

fn made_later() -> Result<()> {
    let database = InfluxDb::start()?;
    let config = database.config().replace(&format!("'{}'", InfluxDb::DATABASE), "'later'");
    let bench = Bench::start_with("later", "60", &config)?;
    bench.until("it is told", |samples| {
        samples.sum("prony_problems_total", &[("kind", "influxdb_not_allowed")]) > 0.0
    })?;
    let log = bench.agent.log();
    ensure!(log.contains("database not found") && log.contains("influxdb.database"), "{log}");
    database.make("later")?;
    let all = "SELECT power FROM later..power_consumption GROUP BY *";
    let got = wait_until(PATIENCE, || database.query(all).ok().filter(|series| !series.is_empty()));
    got.with_context(|| format!("nothing has come; the log:\n{}", bench.agent.log()))?;
    let samples = bench.agent.samples()?;
    assert_eq!(samples.sum("prony_influxdb_points_dropped_total", &[]).to_bits(), 0.0_f64.to_bits());
    Ok(())
}

#[test]
fn every_query_of_the_dashboard_finds_data() {
    if let Some(reason) = needs_database() {
        return skip("influxdb::every_query_of_the_dashboard_finds_data", &reason);
    }
    dashboard().unwrap();
}

fn dashboard() -> Result<()> {
    let (database, engine) = (InfluxDb::start()?, DockerEngine::start()?);
    let config = format!("{}sensor = 'shelf 3'\n{}", database.config(), engine.config());
    let _bench = Bench::start_with("dashboard", "60", &config)?;
    let id = format!("{:064x}", std::process::id());
    engine.add_labelled(&id, &json!({}));
    let container = TestCgroup::container(&id)?;
    let mut load = container.command(env!("CARGO_BIN_EXE_prony-load"));
    let _load = Running::start(load.args(["spin", "60"]).stdout(Stdio::null()))?;
    let of_container =
        format!("SELECT power FROM power_consumption WHERE target = '{id}' AND scope = 'cpu' AND power > 0");
    let found = wait_until(PATIENCE, || database.query(&of_container).ok().filter(|series| !series.is_empty()));
    found.context("the container is not written")?;

    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/grafana/influxdb.json");
    let dashboard: Value = serde_json::from_str(&std::fs::read_to_string(file)?)?;
    let panels = dashboard["panels"].as_array().context("no panels")?;
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().into_iter().flatten());
    let variables = dashboard["templating"]["list"].as_array().context("no variables")?;
    let variables = variables.iter().filter(|variable| variable["type"] == "query");
    let mut asked = 0;
    for query in targets.chain(variables).map(|it| it["query"].as_str().context("no query")) {
        let query = query?
            .replace("$timeFilter", "time > now() - 60s")
            .replace("$__interval_ms", "2000")
            .replace("$__interval", "2s")
            .replace("$sensor", "shelf 3")
            .replace("$scope", "cpu");
        assert!(!query.contains('$'), "{query}");
        let series = database.query(&query)?;
        // Values of tags are no numbers.
        assert!(series.iter().any(|it| !it.points.is_empty() || query.starts_with("SHOW")), "{query}: {series:?}");
        asked += 1;
    }
    assert!(asked > 10, "{asked}");
    Ok(())
}
