//! A CPU that is taken away and comes back.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use prony_tests::{
    Agent, FakeRapl, Footprint, Samples, Stolen, TestCgroup, assert_books, assert_nothing_fell, needs_agent, needs_bpf,
    needs_root, skip, wait_until,
};

use crate::{counted, load};

const PATIENCE: Duration = Duration::from_secs(20);
const ONLINE: &str = "/sys/devices/system/cpu/cpu1/online";

/// The second CPU, taken away until this is dropped.
struct Away;

impl Away {
    fn take() -> Result<Self> {
        fs::write(ONLINE, "0").with_context(|| format!("cannot write {ONLINE}"))?;
        Ok(Self)
    }
}

impl Drop for Away {
    fn drop(&mut self) {
        if let Err(error) = fs::write(ONLINE, "1") {
            eprintln!("the CPU is not back ({error}): write 1 to {ONLINE}");
        }
    }
}

#[test]
fn what_runs_is_counted_while_a_cpu_goes_and_comes_back() {
    const NAME: &str = "hotplug::what_runs_is_counted_while_a_cpu_goes_and_comes_back";
    if let Some(reason) = needs_root().or_else(needs_bpf).or_else(needs_agent) {
        return skip(NAME, &reason);
    }
    if fs::read_to_string(ONLINE).is_ok_and(|online| online.trim() == "1") {
        match Away::take() {
            Ok(back) => drop(back),
            Err(error) => {
                return skip(NAME, &format!("{error:#}: needs CONFIG_HOTPLUG_CPU=y, and a hypervisor that allows it"));
            }
        }
    } else {
        return skip(NAME, &format!("{ONLINE} is not there: needs a second CPU that can be taken away"));
    }
    go_and_come_back().unwrap();
}

fn go_and_come_back() -> Result<()> {
    // Its CPUs are the machine's own.
    let rapl = FakeRapl::new()?;
    let agent = Agent::builder().arguments(rapl.arguments()).arguments(["--window", "20ms"]).start()?;
    let counting = |samples: &Samples| samples.sum("prony_slots_used", &[]) > 0.0;
    let before = wait_until(PATIENCE, || agent.samples().ok().filter(counting)).context("no slots")?;
    let footprint = Footprint::of(agent.pid())?;

    let (group, stolen) = (TestCgroup::new("hotplug")?, Stolen::from_now()?);
    let loads = [&["spin", "3"], &["spin", "3"], &["pingpong", "3"]];
    let loads = loads.into_iter().map(|what| load(&group, what)).collect::<std::io::Result<Vec<_>>>()?;
    for _ in 0..2 {
        std::thread::sleep(Duration::from_millis(400));
        let away = Away::take()?;
        std::thread::sleep(Duration::from_millis(500));
        let samples = agent.samples()?;
        assert_books(&samples)?;
        assert_nothing_fell(&before, &samples);
        drop(away);
    }
    for load in loads {
        load.wait()?;
    }
    load(&group, &["spin", "0.3"])?.wait()?;

    let samples = counted(&agent, &group, &stolen)?;
    assert_books(&samples)?;
    assert_nothing_fell(&before, &samples);
    let warned: Vec<_> = agent.log().lines().filter(|line| line.contains("WARN")).map(str::to_owned).collect();
    ensure!(warned.len() <= 2, "{warned:#?}");
    footprint.is_returned_to(agent.pid())?;
    assert!(agent.stop()?.status.success());
    Ok(())
}
