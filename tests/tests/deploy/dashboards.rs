//! The dashboards, without Grafana: their form, and every query by a real Prometheus that scrapes a real agent.

use std::collections::BTreeSet;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result};
use prony_tests::{
    Agent, DockerEngine, Prometheus, Running, TestCgroup, encoded, free_udp_address, needs_agent, needs_bpf,
    needs_server, skip,
};
use serde_json::{Value, json};

use crate::objects::{deploy, read};
use crate::rules::records;

const DASHBOARDS: [&str; 3] = ["grafana/functions.json", "grafana/influxdb.json", "grafana/nodes.json"];
/// Those whose queries are for Prometheus; the others are tried where the agent's figures are (`exports/influxdb.rs`).
const FOR_PROMETHEUS: [&str; 2] = ["grafana/functions.json", "grafana/nodes.json"];
const LOAD: &str = env!("CARGO_BIN_EXE_prony-load");
fn dashboard(path: &str) -> Result<Value> {
    Ok(serde_json::from_str(&read(path)?)?)
}

/// The panels that show something.
fn panels(dashboard: &Value) -> Result<Vec<&Value>> {
    let panels = dashboard["panels"].as_array().context("no panels")?;
    Ok(panels.iter().filter(|panel| panel["type"] != "row").collect())
}

fn queries(dashboard: &Value) -> Result<Vec<String>> {
    let targets = panels(dashboard)?.into_iter().flat_map(|panel| panel["targets"].as_array().into_iter().flatten());
    targets.map(|target| target["expr"].as_str().map(str::to_owned).context("a target without a query")).collect()
}

#[test]
fn dashboards_are_whole_and_readable() -> Result<()> {
    for path in DASHBOARDS {
        let dashboard = dashboard(path)?;
        let variables = dashboard["templating"]["list"].as_array().context("no variables")?;
        let known: BTreeSet<&str> = variables.iter().filter_map(|it| it["name"].as_str()).collect();
        let text = dashboard.to_string();
        for used in text.split('$').skip(1) {
            let name: String = used
                .trim_start_matches('{')
                .chars()
                .take_while(|character| character.is_alphanumeric() || *character == '_')
                .collect();
            let is_grafanas = name.starts_with("__") || name.starts_with("tag_") || name == "timeFilter";
            assert!(is_grafanas || known.contains(name.as_str()), "{path}: ${name} is no variable");
        }
        assert!(!text.contains("\"uid\":\"prometheus\""), "the data source is for the user to choose");

        let mut ids = BTreeSet::new();
        let mut cells = BTreeSet::new();
        for panel in dashboard["panels"].as_array().context("no panels")? {
            assert!(ids.insert(panel["id"].as_u64().context("no id")?), "{path}: an id is there twice");
            let at = |key: &str| panel["gridPos"][key].as_u64().context("no place");
            let (x, y, w, h) = (at("x")?, at("y")?, at("w")?, at("h")?);
            assert!(x + w <= 24, "{path}: {} is too wide", panel["title"]);
            for cell in (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y))) {
                assert!(cells.insert(cell), "{path}: {} lies over another panel", panel["title"]);
            }
        }
        for panel in panels(&dashboard)? {
            let text = |pointer| panel.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
            for pointer in ["/title", "/description", "/fieldConfig/defaults/unit"] {
                assert!(!text(pointer).is_empty(), "{path}: {} has no {pointer}", panel["title"]);
            }
        }
    }
    Ok(())
}

/// A function that serves calls, so that there is something to show.
struct Function {
    _container: TestCgroup,
    load: Child,
}

impl Function {
    fn start(engine: &DockerEngine) -> Result<Self> {
        let id = format!("{:064x}", std::process::id());
        engine.add_labelled(&id, &json!({"nuclio.io/function-name": "shown", "nuclio.io/namespace": "tests"}));
        let container = TestCgroup::container(&id)?;
        let mut command = container.command(LOAD);
        let load = command.args(["storm", "50", "300", "2", "handler"]).stdout(Stdio::null()).spawn()?;
        Ok(Self { _container: container, load })
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.load.kill();
        let _ = self.load.wait();
    }
}

/// As Grafana would ask, for half a minute.
fn filled_in(query: &str, zone: &str) -> String {
    query
        .replace("$__rate_interval", "15s")
        .replace("$__range", "30s")
        .replace("$zone", zone)
        .replace("$platform", ".*")
        .replace("$namespace", ".*")
        .replace("$function", ".*")
        .replace("$node", ".*")
}

#[test]
fn every_query_finds_data() -> Result<()> {
    const NAME: &str = "dashboards::every_query_finds_data";
    if let Some(reason) = needs_bpf().or_else(needs_agent).or_else(|| needs_server("prometheus")) {
        skip(NAME, &reason);
        return Ok(());
    }
    let engine = DockerEngine::start()?;
    let meter = free_udp_address()?;
    let mut simulator = Command::new(std::env::var_os("PRONY_BIN").context("PRONY_BIN")?);
    simulator.args(["meter-sim", "--interval", "200ms", "--listen", &meter.to_string()]).stdout(Stdio::null());
    let _simulator = Running::start(&mut simulator)?;
    let config = format!(
        "[source.estimate]\nenabled = true\ntdp = 65.0\n[[source.esp32]]\naddress = '{meter}'\nchannel = 1\nvolts = 5.0\n\
         {}[invocation]\nfork_servers = 'prony-load'\n",
        engine.config()
    );
    let agent = Agent::builder().config(&config).start()?;
    let rules = deploy("prometheus/rules.yaml");
    let prometheus = Prometheus::start(agent.metrics_address(), Some(&rules))?;
    let _function = Function::start(&engine)?;
    let calls = "sum(prony_function_invocations_total) > 0";
    prometheus.query(calls).context("no call is seen")?;
    let zone = "package-estimated";
    for path in FOR_PROMETHEUS {
        let dashboard = dashboard(path)?;
        for query in queries(&dashboard)? {
            let asked = filled_in(&query, zone);
            prometheus.query(&asked).with_context(|| format!("{path}: {asked}"))?;
        }
        for variable in dashboard["templating"]["list"].as_array().context("no variables")? {
            if variable["type"] == "query" {
                offers_something(&prometheus, variable["definition"].as_str().context("no definition")?)?;
            }
        }
    }
    for record in records()? {
        prometheus.query(&record).with_context(|| format!("{record} is not recorded"))?;
    }
    Ok(())
}

/// `label_values(series, label)`, as Grafana asks for it.
fn offers_something(prometheus: &Prometheus, definition: &str) -> Result<()> {
    let inside = definition.strip_prefix("label_values(").and_then(|rest| rest.strip_suffix(')'));
    let (series, label) = inside.and_then(|inside| inside.rsplit_once(", ")).context("no label_values")?;
    let series = encoded(&filled_in(series, "package-estimated"));
    prometheus.until(&format!("/api/v1/label/{label}/values?match[]={series}"), |answer| {
        answer["data"].as_array().filter(|values| !values.is_empty()).map(|_| ())
    })
}

#[test]
fn every_metric_is_one_of_pronys() -> Result<()> {
    let documented = std::fs::read_to_string(xtask::workspace::root().join("docs/metrics.md"))?;
    let rules = read("prometheus/rules.yaml")?;
    let mut texts = vec![rules.clone()];
    for path in FOR_PROMETHEUS {
        texts.extend(queries(&dashboard(path)?)?);
    }
    for text in texts {
        let words = text.split(|character: char| !(character.is_alphanumeric() || "_:".contains(character)));
        for word in words.filter(|word| ["prony_", "kepler_", "process_"].iter().any(|start| word.starts_with(start))) {
            let family = ["_bucket", "_sum", "_count"].iter().find_map(|end| word.strip_suffix(end)).unwrap_or(word);
            let is_known = [word, family].iter().any(|name| documented.contains(&format!("`{name}`")));
            assert!(is_known, "{word} is in no table of docs/metrics.md");
        }
    }
    Ok(())
}
