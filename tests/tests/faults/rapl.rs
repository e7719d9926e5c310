//! RAPL counters that vanish, show garbage, jump, and come back.

use std::fs;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};
use prony_tests::{
    Agent, FakeRapl, Samples, Zone, assert_books, assert_nothing_fell, needs_agent, needs_bpf, skip, wait_until,
};

const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn counters_that_fail_and_come_back_are_told_of_once_and_lose_nothing() {
    if let Some(reason) = needs_bpf().or_else(needs_agent) {
        return skip("rapl::counters_that_fail_and_come_back_are_told_of_once_and_lose_nothing", &reason);
    }
    fail_and_come_back().unwrap();
}

/// An agent and its counters.
struct Bench {
    rapl: FakeRapl,
    agent: Agent,
    before: Samples,
}

impl Bench {
    fn start() -> Result<Self> {
        let rapl = FakeRapl::new()?;
        let agent = Agent::builder().arguments(rapl.arguments()).arguments(["--window", "20ms"]).start()?;
        Ok(Self { rapl, agent, before: Samples::default() })
    }

    /// Waits until a scrape is so; each one is checked.
    fn until(&mut self, what: &str, is_so: impl Fn(&Samples) -> bool) -> Result<()> {
        let found = wait_until(PATIENCE, || {
            let samples = self.agent.samples().expect("the agent answers");
            assert_books(&samples).expect("energies are whole microjoules");
            assert_nothing_fell(&self.before, &samples);
            self.before = samples;
            is_so(&self.before).then_some(())
        });
        found.with_context(|| format!("not within {} s: {what}; the log:\n{}", PATIENCE.as_secs(), self.agent.log()))
    }

    /// Waits until exactly so much of a zone is in the books.
    fn until_measured(&mut self, zone: Zone, energy: u64) -> Result<()> {
        let what = format!("{energy} µJ of {}", zone.label());
        self.until(&what, |samples| measured(samples, zone) >= energy)?;
        assert_eq!(measured(&self.before, zone), energy, "no more than {what}");
        Ok(())
    }

    /// Waits for a message, and asserts that it comes no second time within a second.
    fn until_told_once(&self, words: &str) -> Result<()> {
        let told = || self.agent.log().lines().filter(|line| line.contains(words)).count();
        wait_until(PATIENCE, || (told() > 0).then_some(())).with_context(|| format!("not told: {words}"))?;
        thread::sleep(Duration::from_secs(1));
        assert_eq!(told(), 1, "{}", self.agent.log());
        Ok(())
    }
}

fn measured(samples: &Samples, zone: Zone) -> u64 {
    samples.millionths("prony_zone_measured_joules_total", &[("zone", zone.label())]).unwrap_or(0)
}

fn fail_and_come_back() -> Result<()> {
    let mut bench = Bench::start()?;
    let zones = FakeRapl::zones()?;
    bench.until("all zones are there", |samples| {
        samples.matching("prony_zone_measured_joules_total", &[]).count() == zones.len()
    })?;
    bench.rapl.set(Zone::Package, 1_000)?;
    bench.until_measured(Zone::Package, 1_000)?;

    // Garbage: nothing is measured meanwhile, and nothing is missing afterwards.
    let energy = bench.rapl.energy_file(Zone::Package);
    fs::write(&energy, "\u{fffd} no number at all, and much more of it than any counter has digits\n")?;
    bench.until_told_once("rapl_powercap_unreadable")?;
    fs::write(&energy, "")?;
    bench.rapl.set(Zone::Dram, 5)?;
    bench.until_measured(Zone::Dram, 5)?;
    fs::write(&energy, "2500\n")?;
    bench.until_measured(Zone::Package, 2_500)?;

    // A value beyond the counter's range is no value.
    fs::write(&energy, format!("{}\n", FakeRapl::RANGE + 1))?;
    bench.rapl.set(Zone::Dram, 6)?;
    bench.until_measured(Zone::Dram, 6)?;
    fs::write(&energy, format!("{}\n", u64::MAX))?;
    bench.rapl.set(Zone::Dram, 7)?;
    bench.until_measured(Zone::Dram, 7)?;
    assert_eq!(measured(&bench.before, Zone::Package), 2_500);
    bench.rapl.add(Zone::Package, 3_000)?;
    bench.until_measured(Zone::Package, 3_000)?;

    // A zone that vanishes is told of, the others go on, and when it is back, so is what it counted meanwhile.
    bench.rapl.remove(Zone::Dram)?;
    bench.until_told_once("rapl_powercap_zone_gone")?;
    bench.rapl.set(Zone::Package, 4_000)?;
    bench.until_measured(Zone::Package, 4_000)?;
    bench.rapl.add(Zone::Dram, 1_007)?;
    bench.until_measured(Zone::Dram, 1_007)?;

    // All of them at once.
    for zone in Zone::ALL {
        bench.rapl.remove(zone)?;
    }
    bench.until("it is counted", |samples| {
        samples.sum("prony_problems_total", &[("kind", "rapl_powercap_zone_gone")]) > 1.0
    })?;
    for zone in Zone::ALL {
        bench.rapl.add(zone, 10_000)?;
    }
    bench.until_measured(Zone::Package, 10_000)?;
    bench.until_measured(Zone::Uncore, 10_000)?;
    assert_eq!(bench.agent.log().lines().filter(|line| line.contains("rapl_powercap_unreadable")).count(), 1);
    assert!(bench.agent.stop()?.status.success());
    Ok(())
}

#[test]
fn a_counter_that_jumps_further_than_any_machine_can_draw_is_no_energy() {
    if let Some(reason) = needs_bpf().or_else(needs_agent) {
        return skip("rapl::a_counter_that_jumps_further_than_any_machine_can_draw_is_no_energy", &reason);
    }
    jump().unwrap();
}

fn jump() -> Result<()> {
    // 100 kW for a tenth of a second is less than this.
    const JUMP: u64 = 50_000_000_000;
    let rapl = FakeRapl::new()?;
    fs::write(rapl.energy_file(Zone::Package).with_file_name("max_energy_range_uj"), "262143328850\n")?;
    let agent = Agent::builder().arguments(rapl.arguments()).arguments(["--window", "20ms"]).start()?;
    let mut bench = Bench { rapl, agent, before: Samples::default() };
    bench.until("the zone is there", |samples| {
        samples.matching("prony_zone_measured_joules_total", &[("zone", "package")]).next().is_some()
    })?;
    bench.rapl.set(Zone::Package, 1_000)?;
    bench.until_measured(Zone::Package, 1_000)?;
    let energy = bench.rapl.energy_file(Zone::Package);
    // Whole at once, so that no half of it is read.
    fs::write(&energy, format!("{JUMP}\n"))?;
    bench.until_told_once("energy_counter_jumped")?;
    fs::write(&energy, format!("{}\n", JUMP + 500))?;
    bench.until_measured(Zone::Package, 1_500)
}
