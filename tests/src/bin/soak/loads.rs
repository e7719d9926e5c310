//! Who runs.

use std::fs;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use prony_tests::{Running, TestCgroup, wait_until};

use crate::GoesOn;

/// How long an ended process may take to leave its cgroup.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long a load lasts, after which it begins anew with other processes.
const SECONDS: &str = "5";

type Load = fn(&GoesOn) -> Result<()>;

/// Each until it is over.
pub(crate) const ALL: [Load; 5] = [
    |going| again_and_again("spin", &["spin", "2"], Duration::from_secs(3), going),
    |going| again_and_again("pingpong", &["pingpong", "1"], Duration::from_secs(7), going),
    |going| again_and_again("storm", &["storm", "100", SECONDS, "1", "soak-life"], Duration::from_secs(1), going),
    |going| again_and_again("sleepers", &["sleepers", "200", SECONDS, "20", "20"], Duration::ZERO, going),
    come_and_go,
];

fn load() -> Result<String> {
    let load = std::env::current_exe()?.with_file_name("prony-load");
    load.into_os_string().into_string().ok().context("a path that is no text")
}

/// A load in a cgroup that is a new one each time.
fn again_and_again(name: &str, arguments: &[&str], pause: Duration, going: &GoesOn) -> Result<()> {
    while !going.is_over() {
        let group = TestCgroup::new(name)?;
        let mut command = group.command(&load()?);
        ensure!(Running::start(command.args(arguments).stdout(Stdio::null()))?.wait()?.success(), "{name} has failed");
        thread::sleep(pause);
    }
    Ok(())
}

/// Cgroups in which one process burns a millisecond, about ten a second.
fn come_and_go(going: &GoesOn) -> Result<()> {
    let parent = TestCgroup::new("leaves")?;
    let mut number = 0_u64;
    while !going.is_over() {
        let folder = parent.path().join(format!("leaf-{number}"));
        fs::create_dir(&folder)?;
        let mut command = std::process::Command::new(load()?);
        command.args(["life", "1"]).arg(folder.join("cgroup.procs")).stdout(Stdio::null());
        ensure!(Running::start(&mut command)?.wait()?.success(), "a life has failed");
        wait_until(PATIENCE, || fs::remove_dir(&folder).ok()).context("cannot remove a cgroup")?;
        thread::sleep(Duration::from_millis(80));
        number += 1;
    }
    Ok(())
}
