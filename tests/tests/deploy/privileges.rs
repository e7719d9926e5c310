//! That the agent runs with the capabilities that the overlay gives it, and with no others.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use prony_tests::containers::{Podman, Rootfs};
use prony_tests::{
    Agent, BpfFs, Samples, TestCgroup, assert_books, free_tcp_address, get, needs_agent, needs_bpf, needs_root,
    needs_server, skip, wait_until,
};
use serde_json::Value;

use crate::objects::{container, deploy, kustomized, parse, read};

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
    // The thread that accounts makes use of them all; the others have given up theirs.
    let status = status_of_thread(agent.pid(), "prony-windows")?;
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:")).context("no CapEff")?;
    let effective = u64::from_str_radix(effective.trim(), 16)?;
    ensure!(effective.count_ones() as usize == added.len(), "{effective:x} is not {added:?}");
    assert!(agent.stop()?.status.success());
    Ok(())
}

fn status_of_thread(process: u32, name: &str) -> Result<String> {
    for thread in fs::read_dir(format!("/proc/{process}/task"))? {
        let thread = thread?.path();
        if fs::read_to_string(thread.join("comm")).is_ok_and(|comm| comm.trim_end() == name) {
            return Ok(fs::read_to_string(thread.join("status"))?);
        }
    }
    bail!("process {process} has no thread {name}")
}

/// `podman run` as the `DaemonSet` has it, but for the node's network, and with the configuration in `config`, a folder for
/// the books and a BPF file system of the test's own.
fn options(container: &Value, config: &Path, state: &Path, bpf: &Path) -> Result<Vec<String>> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let context = &container["securityContext"];
    assert_eq!(context["readOnlyRootFilesystem"], true);
    let mut options: Vec<String> =
        ["--network=host", "--pid=host", "--read-only", "--read-only-tmpfs=false"].map(str::to_owned).into();
    options.extend(["--security-opt=no-new-privileges", "--user=0", "--env=NODE_NAME=node-1"].map(str::to_owned));
    options.push("--cap-drop=ALL".into());
    // Podman's own profile lets nobody load programs without CAP_SYS_ADMIN.
    options.push(format!("--security-opt=seccomp={}", deploy("kubernetes/seccomp/prony.json").display()));
    let added = context["capabilities"]["add"].as_array().context("no capabilities")?;
    options.extend(added.iter().filter_map(text).map(|name| format!("--cap-add={name}")));
    for mount in container["volumeMounts"].as_array().context("no mounts")? {
        let (name, path) = (text(&mount["name"]).context("no name")?, text(&mount["mountPath"]).context("no path")?);
        match name.as_str() {
            "sys" => options.push(format!("--volume=/sys:{path}:ro,rslave")),
            "config" => options.push(format!("--volume={}:{path}:ro", config.display())),
            "state" => options.push(format!("--volume={}:{path}", state.display())),
            "bpf" => options.push(format!("--volume={}:{path}", bpf.display())),
            // Nested in that of the configuration, and optional.
            "nodes" | "access" => assert_eq!(path, format!("/etc/prony/{name}")),
            other => bail!("what is {other} for?"),
        }
    }
    Ok(options)
}

/// In a real container with what the overlay asks for, beside the node's own processes.
#[test]
fn the_agent_counts_the_node_from_within_its_container() -> Result<()> {
    const NAME: &str = "privileges::the_agent_counts_the_node_from_within_its_container";
    let programs = || ["kubectl", "podman", "conmon", "runc"].iter().find_map(|program| needs_server(program));
    if let Some(reason) = programs().or_else(needs_root).or_else(needs_bpf).or_else(needs_agent) {
        skip(NAME, &reason);
        return Ok(());
    }
    let objects = parse(&kustomized("overlays/capabilities")?)?;
    let container = container(&objects)?;
    let config = tempfile::tempdir()?;
    let listen = free_tcp_address()?;
    fs::create_dir(config.path().join("nodes"))?;
    fs::write(
        config.path().join("prony.toml"),
        format!("[prometheus]\nlisten = '{listen}'\n[grpc]\nenabled = false\n"),
    )?;
    fs::write(config.path().join("nodes/node-1.toml"), "[source.estimate]\nenabled = true\ntdp = 65.0\n")?;

    let agent = std::env::var_os("PRONY_BIN").context("PRONY_BIN")?;
    let podman = Podman::new(Rootfs::with(Path::new(&agent))?)?;
    let (state, bpf) = (tempfile::tempdir()?, BpfFs::mount()?);
    let options = options(container, config.path(), state.path(), bpf.path())?;
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let arguments: Vec<&str> =
        container["args"].as_array().context("no arguments")?.iter().filter_map(Value::as_str).collect();
    podman.run("agent", &options, &arguments)?;

    let group = TestCgroup::new("beside")?;
    let name = group.name();
    let mut load =
        group.command(env!("CARGO_BIN_EXE_prony-load")).args(["spin", "10"]).stdout(Stdio::null()).spawn()?;
    let counted = wait_until(Duration::from_secs(30), || {
        let samples = Samples::parse(get(listen, "/metrics", &[]).ok()?.text().ok()?).ok()?;
        let ours = [("node_name", "node-1"), ("cgroup", name.as_str())];
        (samples.sum("prony_cgroup_joules_total", &ours) > 0.0).then_some(samples)
    });
    load.kill()?;
    load.wait()?;
    let samples = counted
        .with_context(|| format!("the node's cgroup is not seen; {}", podman.logs("agent").unwrap_or_default()))?;
    assert_eq!(samples.matching("prony_kernel_attachment_info", &[("attachment", "tp_btf")]).count(), 1);
    assert!(state.path().join("books").exists(), "the pod after this one begins anew");
    assert!(!bpf.kept()?.is_empty(), "the kernel stops counting with the pod");
    assert_books(&samples)
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
