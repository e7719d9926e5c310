//! Cgroups that come and go by the hundred.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result};
use prony_tests::{
    Agent, Samples, TestCgroup, assert_books, assert_nothing_fell, needs_agent, needs_bpf, needs_root, skip, wait_until,
};

const PATIENCE: Duration = Duration::from_secs(20);
const COUNT: usize = 300;

#[test]
fn cgroups_that_come_and_go_leave_exact_books_and_no_lines() {
    if let Some(reason) = needs_root().or_else(needs_bpf).or_else(needs_agent) {
        return skip("cgroups::cgroups_that_come_and_go_leave_exact_books_and_no_lines", &reason);
    }
    come_and_go().unwrap();
}

fn come_and_go() -> Result<()> {
    let config = "[ledger]\nended_retention = '1s'\n[source.estimate]\nenabled = true\n";
    let agent = Agent::builder().config(config).arguments(["--window", "20ms"]).start()?;
    let parent = TestCgroup::new("many")?;
    let leaves = format!("{}/leaf-", parent.name());
    let mut before = agent.samples()?;
    let mut seen = 0;
    for number in 0..COUNT {
        live_once(&parent, number)?;
        if number % 20 == 0 {
            let samples = agent.samples()?;
            assert_books(&samples)?;
            assert_nothing_fell(&before, &samples);
            seen = seen.max(lines(&samples, &leaves));
            before = samples;
        }
    }
    assert!(seen > 0, "cgroups have their lines under their own paths");
    let gone = |samples: &Samples| lines(samples, &leaves) == 0;
    let samples =
        wait_until(PATIENCE, || agent.samples().ok().filter(gone)).context("ended cgroups keep their lines")?;
    assert_books(&samples)?;
    let nameless =
        samples.matching("prony_cgroup_cpu_seconds_total", &[]).filter(|line| line.labels["cgroup"].starts_with('?'));
    assert_eq!(nameless.count(), 0, "none is without its path");
    assert!(
        samples.sum("prony_other_joules_total", &[("level", "cgroup")]) > 0.0,
        "what they used is in the others' line"
    );
    assert!(agent.stop()?.status.success());
    Ok(())
}

/// A cgroup in which one process burns a millisecond.
fn live_once(parent: &TestCgroup, number: usize) -> Result<()> {
    let folder = parent.path().join(format!("leaf-{number}"));
    fs::create_dir(&folder)?;
    let status = Command::new("/bin/sh")
        .args(["-c", r#"echo $$ > "$0" && exec "$@""#])
        .arg(folder.join("cgroup.procs"))
        .args([env!("CARGO_BIN_EXE_prony-load"), "life", "1"])
        .stdout(Stdio::null())
        .status()?;
    assert!(status.success());
    // An ended process may take a moment to leave.
    wait_until(PATIENCE, || fs::remove_dir(&folder).ok()).context("cannot remove a cgroup")
}

fn lines(samples: &Samples, prefix: &str) -> usize {
    let all = samples.matching("prony_cgroup_cpu_seconds_total", &[]);
    all.filter(|line| line.labels["cgroup"].starts_with(prefix)).count()
}
