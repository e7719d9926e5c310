//! Kernels that do not let the agent do what it would like best: no permission, no BTF, no tracefs.

use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};
use prony_tests::{
    Agent, AgentBuilder, FakeRapl, Samples, TestCgroup, Zone, assert_books, needs_agent, needs_bpf, needs_root, skip,
    wait_until,
};

use crate::load;

const PATIENCE: Duration = Duration::from_secs(20);
const STEP: u64 = 10_007;
const WITHOUT_BTF: &str = "[activity]\nbtf = '/nonexistent'\n";

fn attached(samples: &Samples) -> String {
    samples
        .matching("prony_kernel_attachment_info", &[])
        .filter(|sample| sample.value > 0.0)
        .map(|sample| sample.labels["attachment"].clone())
        .collect()
}

/// Starts an agent with counters that move, and asserts that it keeps exact books though it cannot tell who runs.
/// Returns its log.
fn measures_blindly(agent: AgentBuilder) -> Result<String> {
    let rapl = FakeRapl::new()?;
    let agent = agent.arguments(rapl.arguments()).start()?;
    let measured = |samples: &Samples| samples.millionths("prony_zone_measured_joules_total", &[("zone", "dram")]);
    let begun = |samples: &Samples| samples.matching("prony_zone_measured_joules_total", &[]).next().is_some();
    wait_until(PATIENCE, || agent.samples().ok().filter(begun)).context("no zone")?;
    for step in 1..=100 {
        rapl.set(Zone::Dram, step * STEP)?;
        thread::sleep(Duration::from_millis(10));
    }
    let all = 100 * STEP;
    let samples =
        wait_until(PATIENCE, || agent.samples().ok().filter(|samples| measured(samples).is_ok_and(|now| now >= all)));
    let samples = samples.context("not all energy is measured")?;
    assert_eq!(measured(&samples)?, all);
    assert_books(&samples)?;
    assert_eq!(attached(&samples), "none");
    let of_nobody: u64 = ["idle", "unattributed"]
        .iter()
        .map(|part| samples.millionths("prony_zone_joules_total", &[("zone", "dram"), ("part", part)]))
        .sum::<Result<_>>()?;
    assert_eq!(of_nobody, all, "nobody is charged");
    let ended = agent.stop()?;
    assert!(ended.status.success());
    assert!(ended.took < Duration::from_secs(5), "it took {:?}", ended.took);
    let told = ended.log.lines().filter(|line| line.contains("nothing can be attributed")).count();
    assert_eq!(told, 1, "{}", ended.log);
    Ok(ended.log)
}

#[test]
fn without_any_capability_zones_are_still_measured() {
    const NAME: &str = "kernel::without_any_capability_zones_are_still_measured";
    if let Some(reason) = needs_root().or_else(needs_agent) {
        return skip(NAME, &reason);
    }
    let drop_all = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all"];
    if !Command::new(drop_all[0]).args(&drop_all[1..]).arg("true").status().is_ok_and(|status| status.success()) {
        return skip(NAME, "capabilities cannot be dropped: install util-linux, and run as root with CAP_SETPCAP");
    }
    let log = measures_blindly(Agent::builder().under(drop_all)).unwrap();
    assert!(log.contains("grant CAP_BPF and CAP_PERFMON"), "{log}");
}

/// Runs what follows with another view of tracefs, which ends with it.
fn with_mount(mount: &str) -> Vec<String> {
    ["unshare", "--mount", "/bin/sh", "-c"]
        .into_iter()
        .map(str::to_owned)
        .chain([format!("{mount} && exec \"$0\" \"$@\"")])
        .collect()
}

fn works(launcher: &[String]) -> bool {
    Command::new(&launcher[0]).args(&launcher[1..]).arg("true").output().is_ok_and(|output| output.status.success())
}

#[test]
fn without_btf_the_plain_tracepoint_counts() {
    const NAME: &str = "kernel::without_btf_the_plain_tracepoint_counts";
    if let Some(reason) = needs_root().or_else(needs_bpf).or_else(needs_agent) {
        return skip(NAME, &reason);
    }
    let tracefs = with_mount("mount -t tracefs tracefs /sys/kernel/tracing");
    if !works(&tracefs) {
        return skip(NAME, "tracefs cannot be mounted in a namespace: needs CAP_SYS_ADMIN and CONFIG_FTRACE=y");
    }
    count_by_tracepoint(&tracefs).unwrap();
}

fn count_by_tracepoint(tracefs: &[String]) -> Result<()> {
    let agent = Agent::builder().under(tracefs).config(WITHOUT_BTF).start()?;
    let known = |samples: &Samples| !attached(samples).is_empty();
    let samples = wait_until(PATIENCE, || agent.samples().ok().filter(known)).context("no attachment")?;
    assert_eq!(attached(&samples), "tracepoint");
    assert!(agent.log().contains("using tracepoint"), "{}", agent.log());

    let group = TestCgroup::new("tracepoint")?;
    load(&group, &["spin", "1.5"])?.wait()?;
    let used = group.usage()?.as_secs_f64();
    let id = group.id()?.to_string();
    let counted = |samples: &Samples| samples.sum("prony_cgroup_cpu_seconds_total", &[("cgroup_id", &id)]);
    let samples = wait_until(PATIENCE, || agent.samples().ok().filter(|samples| counted(samples) >= used * 0.95));
    let samples = samples.with_context(|| format!("not all of {used} s was counted; the log:\n{}", agent.log()))?;
    assert!(counted(&samples) <= used * 1.05, "{} s of {used} s", counted(&samples));
    let named = samples.sum("prony_command_cpu_seconds_total", &[("cgroup", &group.name()), ("comm", "prony-load")]);
    assert!(named >= used * 0.9, "{named} s of {used} s under its name");
    assert_books(&samples)?;
    assert!(agent.stop()?.status.success());
    Ok(())
}

#[test]
fn without_btf_and_tracefs_zones_are_still_measured() {
    const NAME: &str = "kernel::without_btf_and_tracefs_zones_are_still_measured";
    if let Some(reason) = needs_root().or_else(needs_agent) {
        return skip(NAME, &reason);
    }
    let no_tracefs = with_mount("mount -t tmpfs none /sys/kernel/tracing && mount -t tmpfs none /sys/kernel/debug");
    if !works(&no_tracefs) {
        return skip(NAME, "/sys/kernel/tracing cannot be covered in a namespace: needs CAP_SYS_ADMIN");
    }
    let log = measures_blindly(Agent::builder().under(no_tracefs).config(WITHOUT_BTF)).unwrap();
    for words in ["no way to watch context switches", "/nonexistent", "mount -t tracefs"] {
        assert!(log.contains(words), "no '{words}':\n{log}");
    }
}
