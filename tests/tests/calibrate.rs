//! `prony calibrate`, and an agent that begins with what it has found.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use prony_tests::{Agent, FakeRapl, Running, Zone, needs_agent, skip, wait_until};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

const SOURCE: &str = "rapl-powercap";
const LIMIT: Duration = Duration::from_secs(30);

/// A machine whose counters a test moves and whose processes are all idle.
struct Machine {
    rapl: FakeRapl,
    folder: TempDir,
}

impl Machine {
    fn new() -> Result<Self> {
        let (rapl, folder) = (FakeRapl::new()?, tempfile::tempdir()?);
        let procfs = folder.path().join("proc");
        fs::create_dir(&procfs)?;
        fs::write(procfs.join("stat"), "cpu  10 0 0 90 0 0 0 0 0 0\n")?;
        fs::copy("/proc/cpuinfo", procfs.join("cpuinfo"))?;
        Ok(Self { rapl, folder })
    }

    fn profile(&self) -> PathBuf {
        self.folder.path().join("profile.json")
    }

    fn calibrate(&self, arguments: &[&str]) -> Result<Command> {
        let mut command = Command::new(env::var_os("PRONY_BIN").context("PRONY_BIN")?);
        for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PRONY_")) {
            command.env_remove(name);
        }
        // No file of this machine's own.
        let config = self.folder.path().join("prony.toml");
        fs::write(&config, "")?;
        command.arg("calibrate").arg("--config").arg(config).args(["--step", "2s"]).args(self.rapl.arguments());
        command.arg("--procfs").arg(self.folder.path().join("proc")).args(arguments);
        Ok(command)
    }

    /// Lets the package draw 3 W while `work` is done.
    fn drawing<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let mover = scope.spawn(|| -> Result<()> {
                let begun = Instant::now();
                while !done.load(Ordering::Relaxed) {
                    let energy = 3 * u64::try_from(begun.elapsed().as_micros())?;
                    self.rapl.set(Zone::Package, energy % FakeRapl::RANGE)?;
                    std::thread::sleep(Duration::from_millis(10));
                }
                Ok(())
            });
            let worked = work();
            done.store(true, Ordering::Relaxed);
            mover.join().expect("the mover has failed")?;
            worked
        })
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn what_is_calibrated_is_what_the_agent_begins_with() -> Result<()> {
    if let Some(reason) = needs_agent() {
        skip("what_is_calibrated_is_what_the_agent_begins_with", &reason);
        return Ok(());
    }
    let machine = Machine::new()?;
    let profile = machine.profile();
    let kept = r#"{"version": 1, "static_power": [{"zone": "node", "source": "other", "watts": 7, "learned_at": 1}]}"#;
    fs::write(&profile, kept)?;
    let arguments = ["--out", text(&profile), "--output", "json"];
    let output = machine.drawing(|| Ok(machine.calibrate(&arguments)?.output()?))?;
    ensure!(output.status.success(), "{}", said(&output));
    let found: Value = serde_json::from_slice(&output.stdout)?;
    let steps = found["steps"].as_array().context("steps")?;
    let first = steps.first().context("no step")?;
    ensure!(first["busy_cpus"] == 0 && first["seconds"] == 3.0 && first["load_percent"].is_null(), "{found}");
    let zones = found["zones"].as_array().context("zones")?;
    let package = zones.iter().find(|zone| zone["zone"] == "package-0").context("no package")?;
    let watts = package["static_watts"].as_f64().context("static power")?;
    println!("{package}");
    ensure!(package["source"] == SOURCE && watts > 0.0, "{package}");
    ensure!(package["watts"].as_array().is_some_and(|watts| watts.len() == steps.len()), "{package}");

    let written: Value = serde_json::from_slice(&fs::read(&profile)?)?;
    let of = |zone: &str| written["static_power"].as_array()?.iter().find(|it| it["zone"] == zone).cloned();
    ensure!(of("node").is_some_and(|it| it["watts"] == 7.0), "what else was known is gone: {written}");
    ensure!(of("package-0").is_some_and(|it| it["watts"] == watts && it["source"] == SOURCE), "{written}");

    let remembered = format!("static power of package-0 by {SOURCE}, as remembered: {watts:.3} W");
    let config = format!("attribution.profile = '{}'\n", profile.display());
    let log = machine.drawing(|| {
        let agent = Agent::builder().config(&config).arguments(machine.rapl.arguments()).start()?;
        let stopped = agent.stop()?;
        ensure!(stopped.status.success(), "{}", stopped.log);
        Ok(stopped.log)
    })?;
    ensure!(log.contains(&remembered), "{log}");
    let after: Value = serde_json::from_slice(&fs::read(&profile)?)?;
    ensure!(after["static_power"].as_array().is_some_and(|all| all.len() >= 2), "{after}");
    Ok(())
}

#[test]
fn a_machine_without_a_meter_is_refused_with_what_helps() -> Result<()> {
    if let Some(reason) = needs_agent() {
        skip("a_machine_without_a_meter_is_refused_with_what_helps", &reason);
        return Ok(());
    }
    let machine = Machine::new()?;
    for zone in Zone::ALL {
        machine.rapl.remove(zone)?;
    }
    let profile = machine.profile();
    let output = machine.calibrate(&["--out", text(&profile)])?.output()?;
    ensure!(output.status.code() == Some(1) && said(&output).contains("nothing measures power"), "{}", said(&output));
    ensure!(!profile.exists(), "there is a profile of nothing");

    let output = machine.calibrate(&[])?.output()?;
    let error = said(&output);
    ensure!(output.status.code() == Some(2), "{error}");
    ensure!(error.contains("--out") && error.contains("attribution.profile"), "{error}");
    Ok(())
}

#[test]
fn a_calibration_that_is_ended_keeps_nothing() -> Result<()> {
    if let Some(reason) = needs_agent() {
        skip("a_calibration_that_is_ended_keeps_nothing", &reason);
        return Ok(());
    }
    let machine = Machine::new()?;
    let (profile, log) = (machine.profile(), machine.folder.path().join("log"));
    machine.drawing(|| {
        let mut running = Running::start(machine.calibrate(&["--out", text(&profile)])?.stderr(File::create(&log)?))?;
        let log = || fs::read_to_string(&log).unwrap_or_default();
        ensure!(wait_until(LIMIT, || log().contains("CPU busy").then_some(())).is_some(), "no load: {}", log());
        let pid = i32::try_from(running.pid())?;
        kill_process(Pid::from_raw(pid).context("a process")?, Signal::INT)?;
        let status = wait_until(LIMIT, || running.ended().transpose()).context("it goes on")??;
        ensure!(status.code() == Some(1) && log().contains("nothing is kept"), "{status}: {}", log());
        Ok(())
    })?;
    ensure!(!profile.exists(), "there is a profile");
    Ok(())
}
