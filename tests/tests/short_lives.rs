//! Processes that live for a millisecond are billed to their group and their name, and nobody else is.

use std::process::Stdio;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use prony_tests::{Agent, Samples, Stolen, TestCgroup, needs_agent, needs_bpf, skip};

const LOAD: &str = env!("CARGO_BIN_EXE_prony-load");
const ESTIMATE: &str = "[source.estimate]\nenabled = true\ntdp = 65.0\n";
const NAME: &str = "one-life";

/// One scrape, as far as it is of the bystander.
struct Bystander {
    cpu: f64,
    energy: f64,
    all_cpu: f64,
    all_energy: f64,
}

impl Bystander {
    fn of(samples: &Samples, group: &str) -> Result<Self> {
        Ok(Self {
            cpu: samples.sum("prony_cgroup_cpu_seconds_total", &[("cgroup", group)]),
            energy: samples.sum("prony_cgroup_joules_total", &[("cgroup", group)]),
            all_cpu: samples.value("prony_cpu_seconds_total", &[("state", "busy")])?,
            all_energy: samples.sum("prony_zone_joules_total", &[("part", "active")]),
        })
    }

    fn share_of_cpu_since(&self, before: &Self) -> f64 {
        (self.cpu - before.cpu) / (self.all_cpu - before.all_cpu)
    }

    fn share_of_energy_since(&self, before: &Self) -> f64 {
        (self.energy - before.energy) / (self.all_energy - before.all_energy)
    }
}

/// Lives of `millis` at `rate` a second beside a steady process.
fn storm(test: &str, rate: &str, seconds: &str, millis: &str) -> Result<()> {
    if let Some(reason) = needs_bpf().or_else(needs_agent) {
        skip(test, &reason);
        return Ok(());
    }
    let (lives, steady) = (TestCgroup::new("lives")?, TestCgroup::new("bystander")?);
    let agent = Agent::builder().config(ESTIMATE).start()?;
    let stolen = Stolen::from_now()?;
    let length: f64 = seconds.parse()?;
    let mut bystander = steady.command(LOAD).args(["spin", &(length + 1.0).to_string()]).spawn()?;
    let storm = lives.command(LOAD).args(["storm", rate, seconds, millis, NAME]).stdout(Stdio::piped()).spawn()?;
    // The bystander is looked at only while both run: a CPU second of a quiet machine costs another energy than one of
    // a busy machine, by the estimate's curve.
    sleep(Duration::from_secs(1));
    let before = Bystander::of(&agent.samples()?, &steady.name())?;
    sleep(Duration::from_secs_f64(length - 2.0));
    let after = Bystander::of(&agent.samples()?, &steady.name())?;
    let output = storm.wait_with_output()?;
    ensure!(output.status.success(), "the storm has failed");
    bystander.wait()?;
    // The last window closes, and its energy is booked.
    sleep(Duration::from_secs(1));
    let done: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let theirs = done["children_cpu_seconds"].as_f64().context("no CPU time")?;
    let samples = agent.samples()?;

    let group = lives.name();
    let command = [("cgroup", group.as_str()), ("comm", NAME)];
    let billed = samples.sum("prony_command_cpu_seconds_total", &command);
    let kernels = lives.usage()?.as_secs_f64();
    let in_group = samples.sum("prony_cgroup_cpu_seconds_total", &[("cgroup", &group)]);
    let energy = samples.sum("prony_command_joules_total", &command);
    let all_cpu = samples.value("prony_cpu_seconds_total", &[("state", "busy")])?;
    let all_energy = samples.sum("prony_zone_joules_total", &[("part", "active")]);
    let error = after.share_of_energy_since(&before) / after.share_of_cpu_since(&before) - 1.0;
    println!(
        "{millis} ms: {} lives; to their name {:.2} % of {theirs:.2} s; \
         energy of the name {:.2} % of its share; the bystander's energy {:+.2} % off its share",
        done["started"],
        billed / theirs * 100.0,
        energy / all_energy / (billed / all_cpu) * 100.0,
        error * 100.0
    );
    ensure!(billed >= 0.99 * theirs, "billed to the name: {billed} s of {theirs} s");
    stolen.agrees("billed to the group", in_group, kernels, 0.01)?;
    ensure!(error.abs() <= 0.02, "the bystander's energy is {:.2} % off its share of CPU time", error * 100.0);
    ensure!(samples.sum("prony_books_error_microjoules", &[]) == 0.0, "the books are not exact");
    Ok(())
}

#[test]
fn lives_of_a_millisecond() -> Result<()> {
    storm("lives_of_a_millisecond", "1000", "15", "1")
}

#[test]
fn lives_of_three_milliseconds() -> Result<()> {
    storm("lives_of_three_milliseconds", "300", "8", "3")
}

#[test]
fn lives_of_a_tenth_of_a_second() -> Result<()> {
    storm("lives_of_a_tenth_of_a_second", "10", "8", "100")
}

#[test]
fn lives_of_a_second() -> Result<()> {
    storm("lives_of_a_second", "1", "8", "1000")
}
