//! The overlays, as `kubectl` makes them.

use std::collections::BTreeSet;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use prony_tests::{needs_agent, needs_server, skip};
use serde_json::{Value, json};

use crate::objects::{EXTRAS, OVERLAYS, container, find, kustomized, name_of, parse, read};

#[test]
fn overlays_hold_everything_that_the_agent_needs() -> Result<()> {
    if let Some(reason) = needs_server("kubectl") {
        skip("overlays_hold_everything_that_the_agent_needs", &reason);
        return Ok(());
    }
    for overlay in OVERLAYS {
        let objects = parse(&kustomized(overlay)?)?;
        let names: BTreeSet<String> = objects.iter().map(name_of).collect();
        let expected = [
            "Namespace prony",
            "ServiceAccount prony",
            "ClusterRole prony",
            "ClusterRoleBinding prony",
            "ConfigMap prony",
            "ConfigMap prony-nodes",
            "DaemonSet prony",
            "Service prony",
            "NetworkPolicy prony",
        ];
        assert_eq!(names, expected.map(str::to_owned).into(), "{overlay}");

        let pod = find(&objects, "DaemonSet prony")?.pointer("/spec/template/spec").context("no pod")?;
        assert_eq!(pod["hostPID"], true, "processes are named by the node's pids");
        assert_eq!(pod["tolerations"], json!([{"operator": "Exists"}]), "on every node");
        let container = container(&objects)?;
        let image = container["image"].as_str().context("no image")?;
        assert_eq!(image, format!("prony:{}", env!("CARGO_PKG_VERSION")));
        assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], true, "{overlay}");
        let mounts = container["volumeMounts"].as_array().context("no mounts")?.iter();
        let writable: Vec<_> =
            mounts.filter(|mount| mount["readOnly"] != true).map(|mount| &mount["mountPath"]).collect();
        assert_eq!(
            writable,
            ["/var/lib/prony", "/sys/fs/bpf"],
            "the agent writes its books, and nothing else: {overlay}"
        );
    }
    for extra in EXTRAS {
        assert!(!parse(&kustomized(extra)?)?.is_empty(), "{extra}");
    }
    Ok(())
}

/// What the agent asks of the kubelet and of the API server, and nothing else.
#[test]
fn roles_allow_what_the_agent_asks_for() -> Result<()> {
    if let Some(reason) = needs_server("kubectl") {
        skip("roles_allow_what_the_agent_asks_for", &reason);
        return Ok(());
    }
    let rules = |objects: &[Value], role: &str| Ok::<_, anyhow::Error>(find(objects, role)?["rules"].clone());
    for overlay in OVERLAYS {
        let objects = parse(&kustomized(overlay)?)?;
        let kubelet = json!([{"apiGroups": [""], "resources": ["nodes/pods"], "verbs": ["get"]}]);
        assert_eq!(rules(&objects, "ClusterRole prony")?, kubelet, "{overlay}");
    }
    let objects = parse(&kustomized("extras/api-server")?)?;
    let server = json!([{"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "watch"]}]);
    assert_eq!(rules(&objects, "ClusterRole prony-api-server")?, server);
    Ok(())
}

#[test]
fn the_configuration_is_good() -> Result<()> {
    if let Some(reason) = needs_server("kubectl").or_else(needs_agent) {
        skip("the_configuration_is_good", &reason);
        return Ok(());
    }
    let objects = parse(&kustomized("overlays/privileged")?)?;
    let text = find(&objects, "ConfigMap prony")?["data"]["prony.toml"].as_str().context("no prony.toml")?;
    // The example of a node's file is a comment.
    let example: Vec<String> = read("kubernetes/base/nodes.yaml")?
        .lines()
        .skip_while(|line| !line.contains("odroidxu4-1.toml: |"))
        .skip(1)
        .map(|line| line.trim_start_matches(['#', ' ']).to_owned())
        .collect();
    ensure!(example.iter().any(|line| line.starts_with("address")), "{example:?}");
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("prony.toml");
    std::fs::write(&file, text)?;
    std::fs::create_dir(folder.path().join("nodes"))?;
    std::fs::write(folder.path().join("nodes/odroidxu4-1.toml"), example.join("\n"))?;
    let mut check = Command::new(std::env::var_os("PRONY_BIN").context("PRONY_BIN")?);
    check.args(["check-config", "--node", "odroidxu4-1"]).arg(&file);
    let effective = xtask::process::output(&mut check)?;
    assert!(effective.contains("0.0.0.0:9190") && effective.contains("192.0.2.10:30000"), "{effective}");
    Ok(())
}

/// Kustomize reads no file outside its folder, and has a copy. (Helm follows a link.)
#[test]
fn the_copy_of_the_rules_is_one() -> Result<()> {
    let rules = &parse(&read("prometheus/rules.yaml")?)?[0];
    let object = &parse(&read("kubernetes/extras/prometheus-operator/prometheus-rule.yaml")?)?[0];
    assert_eq!(object["spec"], *rules, "copy deploy/prometheus/rules.yaml below `spec:` of prometheus-rule.yaml");
    Ok(())
}
