//! The chart, as Helm makes it.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use prony_tests::{needs_server, skip};
use serde_json::Value;

use crate::objects::{container, helm, kustomized, name_of, parse, templated};

/// What only Helm adds: its own labels, and the mark by which new configuration starts the agents anew.
fn without_what_helm_adds(mut value: Value) -> Value {
    if let Value::Object(fields) = &mut value {
        for name in ["app.kubernetes.io/instance", "app.kubernetes.io/version", "app.kubernetes.io/managed-by"] {
            fields.remove(name);
        }
        fields
            .retain(|name, _| !name.starts_with("helm.sh/") && name != "checksum/config" && name != "imagePullPolicy");
        for field in fields.values_mut() {
            *field = without_what_helm_adds(field.take());
        }
        // Labels and comments differ in where they are written, not in what they mean.
        fields.retain(|name, field| {
            !["annotations", "labels"].contains(&name.as_str()) || *field != serde_json::json!({})
        });
    } else if let Value::Array(items) = &mut value {
        for item in items {
            *item = without_what_helm_adds(item.take());
        }
    }
    value
}

fn by_name(text: &str) -> Result<BTreeMap<String, Value>> {
    let named = |object: Value| (name_of(&object), without_what_helm_adds(object));
    let mut objects: BTreeMap<String, Value> = parse(text)?.into_iter().map(named).collect();
    // Helm makes the namespace with `--create-namespace`.
    objects.remove("Namespace prony");
    for object in objects.values_mut() {
        if object["kind"] != "DaemonSet" {
            object["metadata"].as_object_mut().map(|metadata| metadata.remove("labels"));
        }
        if let Some(text) = object.pointer_mut("/data/prony.toml") {
            let lines = text.as_str().unwrap_or_default().lines().filter(|line| !line.starts_with('#'));
            *text = lines.collect::<Vec<_>>().join("\n").into();
        }
    }
    Ok(objects)
}

#[test]
fn the_chart_makes_what_the_overlays_are() -> Result<()> {
    let needs_tools = || needs_server("kubectl").or_else(|| xtask::pypi::command("helm").err());
    if let Some(reason) = needs_tools() {
        skip("the_chart_makes_what_the_overlays_are", &reason);
        return Ok(());
    }
    for security in ["privileged", "capabilities"] {
        let chart = by_name(&templated(&[&format!("security={security}")])?)?;
        let overlay = by_name(&kustomized(&format!("overlays/{security}"))?)?;
        assert_eq!(chart.keys().collect::<Vec<_>>(), overlay.keys().collect::<Vec<_>>());
        for (name, object) in &overlay {
            assert_eq!(chart[name], *object, "{name}, {security}");
        }
    }
    Ok(())
}

#[test]
fn settings_are_used_and_wrong_ones_refused() -> Result<()> {
    if let Err(reason) = xtask::pypi::command("helm") {
        skip("settings_are_used_and_wrong_ones_refused", &reason);
        return Ok(());
    }
    let objects = parse(&templated(&[
        "image.repository=registry.example/prony",
        "image.tag=1.2.3",
        "security=capabilities",
        "extraCapabilities={NET_ADMIN}",
        "nodes.node-1=node_name = 'x'",
        "nodes.node\\.2=y = 1",
    ])?)?;
    let container = container(&objects)?;
    assert_eq!(container["image"], "registry.example/prony:1.2.3");
    let added = &container["securityContext"]["capabilities"]["add"];
    assert!(added.as_array().is_some_and(|it| it.len() == 5 && it[4] == "NET_ADMIN"), "{added}");
    let nodes = crate::objects::find(&objects, "ConfigMap prony-nodes")?;
    assert_eq!(nodes["data"]["node-1.toml"], "node_name = 'x'");
    assert_eq!(nodes["data"]["node.2.toml"], "y = 1");

    let objects = parse(&templated(&["tls=true", "prometheusOperator.serviceMonitor=true"])?)?;
    for probe in ["livenessProbe", "readinessProbe"] {
        assert_eq!(self::container(&objects)?[probe]["httpGet"]["scheme"], "HTTPS", "{probe}");
    }
    let monitor = crate::objects::find(&objects, "ServiceMonitor prony")?;
    assert_eq!(monitor["spec"]["endpoints"][0]["scheme"], "https");

    ensure!(helm("lint", &[])?.arg("--strict").output()?.status.success(), "helm lint");
    for wrong in ["security=rootless", "kubeletPort=0", "imgae.tag=x", "networkPolicy.meterPorts={a}"] {
        let output = helm("template", &[wrong])?.output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(!output.status.success() && said.contains("values don't meet the specifications"), "{wrong}: {said}");
    }
    Ok(())
}
