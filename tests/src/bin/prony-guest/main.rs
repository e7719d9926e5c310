//! Init of a virtual machine: makes the machine usable, tries the agent, writes a report and switches the machine off.

mod energy_registers;
mod kernel_tests;
mod loopback;
mod machine;
mod power_chip;
mod trial;

use std::fs;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use prony_tests::vm::{Report, guest};
use rustix::system::{RebootCommand, reboot};
use trial::{Meter, Trial};

fn main() {
    let mut report = Report::default();
    if let Err(error) = look_at_everything(&mut report) {
        report.check("the guest", || Err(error));
    }
    let written = serde_json::to_string(&report).context("no report").and_then(|text| {
        fs::write(guest::REPORT, text + "\n").with_context(|| format!("cannot write to {}", guest::REPORT))
    });
    if let Err(error) = written {
        println!("{error:#}");
    }
    rustix::fs::sync();
    // The machine ends when init does, with a panic that it does not survive.
    let _ = reboot(RebootCommand::Restart);
}

fn look_at_everything(report: &mut Report) -> Result<()> {
    machine::mount_all()?;
    loopback::up().context("cannot bring the loopback interface up")?;
    let machine = machine::kind()?;
    report.kernel = rustix::system::uname().release().to_string_lossy().into_owned();
    report.check("modules", machine::load_modules);
    report.check("doctor", doctor);
    if machine.has_power_chip {
        report.check("hwmon: energy of a rail", power_chip::try_it);
    }
    for &meter in Meter::of(machine) {
        if let Some(reason) = meter.missing() {
            report.absent(meter.name(), &reason);
            continue;
        }
        match Trial::run(machine, meter) {
            Ok(trial) => trial.judge(report),
            Err(error) => report.check(meter.name(), || Err(error)),
        }
    }
    kernel_tests::run_all(report);
    Ok(())
}

/// What the agent's own look at the machine misses.
fn doctor() -> Result<String> {
    let output = Command::new(guest::AGENT).args(["doctor", "--output", "json"]).output()?;
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).context("no JSON")?;
    let findings = told["findings"].as_array().context("no findings")?;
    let misses: Vec<&str> = findings
        .iter()
        .filter(|finding| finding["section"] == "kernel" && finding["status"] != "ok")
        .filter_map(|finding| finding["name"].as_str())
        .collect();
    ensure!(output.status.success(), "the agent cannot run here: {told}");
    Ok(if misses.is_empty() { "nothing is missing".to_owned() } else { format!("misses {}", misses.join(", ")) })
}
