//! That the agent runs with the capabilities that the overlay gives it, and with no others.

use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use prony_tests::{Agent, needs_agent, needs_bpf, needs_server, skip, wait_until};

use crate::objects::{container, kustomized, parse, read};

#[test]
fn the_agent_attaches_with_the_overlays_capabilities_alone() -> Result<()> {
    const NAME: &str = "privileges::the_agent_attaches_with_the_overlays_capabilities_alone";
    if let Some(reason) = needs_server("kubectl").or_else(needs_bpf).or_else(needs_agent) {
        skip(NAME, &reason);
        return Ok(());
    }
    let objects = parse(&kustomized("overlays/capabilities")?)?;
    let context = &container(&objects)?["securityContext"];
    assert_eq!(context["capabilities"]["drop"], serde_json::json!(["ALL"]));
    assert_eq!(context["allowPrivilegeEscalation"], false);
    assert_eq!(context["seccompProfile"]["type"], "RuntimeDefault");
    let added = context["capabilities"]["add"].as_array().context("nothing is added")?;
    let added: Vec<String> = added.iter().filter_map(|it| Some(it.as_str()?.to_lowercase())).collect();

    let bounding = format!("--bounding-set=-all,+{}", added.join(",+"));
    let launcher = ["setpriv", "--no-new-privs", &bounding, "--inh-caps=-all"];
    if !Command::new(launcher[0]).args(&launcher[1..]).arg("true").status().is_ok_and(|status| status.success()) {
        skip(NAME, "capabilities cannot be dropped: install util-linux, and run as root with CAP_SETPCAP");
        return Ok(());
    }
    let agent = Agent::builder().under(launcher).start()?;
    let attached = wait_until(Duration::from_secs(20), || {
        let samples = agent.samples().ok()?;
        let typed = [("attachment", "tp_btf")];
        (samples.sum("prony_kernel_attachment_info", &typed) > 0.0
            && samples.sum("prony_cpu_seconds_total", &[("state", "busy")]) > 0.0)
            .then_some(())
    });
    attached.with_context(|| format!("it counts nothing; its log:\n{}", agent.log()))?;
    let status = fs::read_to_string(format!("/proc/{}/status", agent.pid()))?;
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:")).context("no CapEff")?;
    let effective = u64::from_str_radix(effective.trim(), 16)?;
    ensure!(effective.count_ones() as usize == added.len(), "{effective:x} is not {added:?}");
    assert!(agent.stop()?.status.success());
    Ok(())
}

/// Whoever reads the overlay is told what each capability is for, as the README and the systemd unit do.
#[test]
fn every_capability_is_explained() -> Result<()> {
    let overlay = read("kubernetes/overlays/capabilities/security.yaml")?;
    let lines: Vec<&str> = overlay.lines().map(str::trim).collect();
    let added = lines.iter().skip_while(|line| **line != "add:").skip(1);
    let added: Vec<_> = added.take_while(|line| line.starts_with(['-', '#'])).collect();
    for (before, line) in added.iter().zip(added.iter().skip(1)).filter(|(_, line)| line.starts_with('-')) {
        assert!(before.starts_with('#'), "`{line}` is not explained");
    }
    let readme = fs::read_to_string(xtask::workspace::root().join("README.md"))?;
    let unit = read("systemd/prony.service")?;
    for line in added.iter().filter_map(|line| line.strip_prefix("- ")) {
        for (name, text) in [("README.md", &readme), ("prony.service", &unit)] {
            assert!(text.contains(&format!("CAP_{line}")), "{name} does not name CAP_{line}");
        }
    }
    Ok(())
}
