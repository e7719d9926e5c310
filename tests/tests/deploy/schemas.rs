//! Every object against the schemas of Kubernetes, version by version.

use std::fs;

use anyhow::{Context as _, Error, Result, ensure};
use prony_tests::{needs_server, skip};
use serde_json::Value;

use crate::objects::{EXTRAS, OVERLAYS, kustomized, parse, read, templated};

/// The oldest that the chart names, some between, and the newest of which there are schemas.
const VERSIONS: [&str; 5] = ["1.25", "1.28", "1.31", "1.34", "1.37"];

#[test]
fn every_object_is_valid_in_every_version() -> Result<()> {
    let needs_tools = || {
        needs_server("kubectl")
            .or_else(|| xtask::pypi::command("helm").err())
            .or_else(|| xtask::pypi::command("kubernetes-validate").err())
    };
    if let Some(reason) = needs_tools() {
        skip("every_object_is_valid_in_every_version", &reason);
        return Ok(());
    }
    let all: &[&str] = &[
        "security=capabilities",
        "seccompProfile.type=Localhost",
        "seccompProfile.localhostProfile=prony.json",
        "extraCapabilities={NET_ADMIN}",
        "apiServer=true",
        "otlp.enabled=true",
        "nodes.odroidxu4-1=node_name = 'a'",
        "networkPolicy.enabled=false",
        "podAnnotations.a=b",
        "imagePullSecrets[0].name=registry",
    ];
    let mut texts = vec![("chart".to_owned(), templated(&[])?), ("chart with all".to_owned(), templated(all)?)];
    for folder in OVERLAYS.into_iter().chain(EXTRAS) {
        texts.push((folder.to_owned(), kustomized(folder)?));
    }
    for (name, text) in texts {
        // The operator's own kinds are in no release of Kubernetes; see below.
        let own = |object: &Value| object["apiVersion"].as_str().is_some_and(|it| !it.starts_with("monitoring."));
        let objects: Vec<Value> = parse(&text)?.into_iter().filter(own).collect();
        if objects.is_empty() {
            continue;
        }
        // JSON is YAML.
        let documents = objects.iter().map(Value::to_string).collect::<Vec<_>>().join("\n---\n");
        let file = tempfile::NamedTempFile::with_suffix(".yaml")?;
        fs::write(file.path(), documents)?;
        let mut validate = xtask::pypi::command("kubernetes-validate").map_err(Error::msg)?;
        validate.arg("--strict");
        for version in VERSIONS {
            validate.args(["--kubernetes-version", version]);
        }
        let output = validate.arg(file.path()).output()?;
        let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{name}:\n{said}");
        let passed = said.lines().filter(|line| line.contains(" passed ")).count();
        ensure!(passed == objects.len() * VERSIONS.len(), "{name}: not everything was looked at:\n{said}");
    }
    Ok(())
}

/// The fields of the operator's API that are used here
/// (<https://prometheus-operator.dev/docs/api-reference/api/>, `monitoring.coreos.com/v1`).
#[test]
fn what_the_prometheus_operator_reads_is_as_it_wants_it() -> Result<()> {
    if let Some(reason) = needs_server("kubectl").or_else(|| xtask::pypi::command("helm").err()) {
        skip("what_the_prometheus_operator_reads_is_as_it_wants_it", &reason);
        return Ok(());
    }
    let rules = parse(&read("prometheus/rules.yaml")?)?.remove(0);
    let chart = templated(&["prometheusOperator.serviceMonitor=true", "prometheusOperator.rules=true"])?;
    for text in [kustomized("extras/prometheus-operator")?, chart] {
        let objects = parse(&text)?;
        let of_kind = |kind: &str| {
            let found = objects.iter().find(|object| object["kind"] == kind);
            found.with_context(|| format!("no {kind}"))
        };
        let (monitor, rule) = (of_kind("ServiceMonitor")?, of_kind("PrometheusRule")?);
        for object in [monitor, rule] {
            assert_eq!(object["apiVersion"], "monitoring.coreos.com/v1");
        }
        let keys = |value: &Value| value.as_object().map(|it| it.keys().cloned().collect::<Vec<_>>());
        assert_eq!(keys(&monitor["spec"]), Some(vec!["endpoints".into(), "selector".into()]));
        let endpoint = &monitor["spec"]["endpoints"][0];
        assert_eq!((&endpoint["port"], &endpoint["honorLabels"]), (&"metrics".into(), &true.into()));
        assert!(monitor["spec"]["selector"]["matchLabels"].is_object());
        assert_eq!(rule["spec"], rules);
        for group in rule["spec"]["groups"].as_array().context("no groups")? {
            assert!(group["name"].is_string());
            for rule in group["rules"].as_array().context("no rules")? {
                assert!(rule["expr"].is_string() && (rule["record"].is_string() != rule["alert"].is_string()));
            }
        }
    }
    Ok(())
}
