//! Kubernetes' objects as text and as values.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Error, Result};
use serde_json::Value;

/// The overlays that are meant to be applied, and what goes beside them.
pub(crate) const OVERLAYS: [&str; 2] = ["overlays/privileged", "overlays/capabilities"];
pub(crate) const EXTRAS: [&str; 3] = ["extras/api-server", "extras/otlp", "extras/prometheus-operator"];

pub(crate) fn deploy(path: &str) -> PathBuf {
    xtask::workspace::root().join("deploy").join(path)
}

pub(crate) fn read(path: &str) -> Result<String> {
    let path = deploy(path);
    fs::read_to_string(&path).with_context(|| path.display().to_string())
}

/// What `kubectl apply -k` would send.
pub(crate) fn kustomized(folder: &str) -> Result<String> {
    let mut kubectl = xtask::servers::command("kubectl").map_err(Error::msg)?;
    xtask::process::output(kubectl.arg("kustomize").arg(deploy("kubernetes").join(folder)))
}

/// What `helm install prony -n prony` would send.
pub(crate) fn templated(settings: &[&str]) -> Result<String> {
    xtask::process::output(&mut helm("template", settings)?)
}

/// A command of Helm for the chart, with settings as for `--set`.
pub(crate) fn helm(command: &str, settings: &[&str]) -> Result<Command> {
    let mut helm = xtask::pypi::command("helm").map_err(Error::msg)?;
    match command {
        "template" => helm.args(["template", "prony"]),
        other => helm.arg(other),
    };
    helm.arg(deploy("helm/prony")).args(["--namespace", "prony"]);
    for setting in settings {
        helm.args(["--set", setting]);
    }
    Ok(helm)
}

/// The documents of a text in YAML.
pub(crate) fn parse(text: &str) -> Result<Vec<Value>> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(text)?;
    Ok(documents.into_iter().filter(|document| !document.is_null()).collect())
}

/// `DaemonSet prony` and the like.
pub(crate) fn name_of(object: &Value) -> String {
    let text = |pointer| object.pointer(pointer).and_then(Value::as_str).unwrap_or("?");
    format!("{} {}", text("/kind"), text("/metadata/name"))
}

/// The object of that name.
pub(crate) fn find<'a>(objects: &'a [Value], name: &str) -> Result<&'a Value> {
    objects.iter().find(|object| name_of(object) == name).with_context(|| format!("there is no {name}"))
}

/// The agent's container in the `DaemonSet`.
pub(crate) fn container(objects: &[Value]) -> Result<&Value> {
    find(objects, "DaemonSet prony")?.pointer("/spec/template/spec/containers/0").context("no container")
}
