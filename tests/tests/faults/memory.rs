//! Little memory, a storm of cgroups, and subscribers of whom half never read.

use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use prony_tests::{
    Agent, MemoryLimit, Running, Samples, TestCgroup, assert_books, assert_nothing_fell, needs_agent, needs_bpf,
    needs_root, skip, wait_until,
};

use crate::grpc;

const LIMIT: u64 = 64 << 20;
const STORM: Duration = Duration::from_secs(5);
const WATCHERS: usize = 40;
const PATIENCE: Duration = Duration::from_secs(40);
const LOAD: &str = env!("CARGO_BIN_EXE_prony-load");

#[test]
fn the_agent_lives_within_64_mebibytes_whatever_comes() {
    const NAME: &str = "memory::the_agent_lives_within_64_mebibytes_whatever_comes";
    if let Some(reason) = needs_root().or_else(needs_bpf).or_else(needs_agent) {
        return skip(NAME, &reason);
    }
    let Some(limit) = MemoryLimit::new(LIMIT).unwrap() else {
        return skip(
            NAME,
            "no hierarchy of cgroups counts memory: `mount -t cgroup -o memory none /sys/fs/cgroup/memory`",
        );
    };
    live_within(&limit).unwrap();
}

fn live_within(limit: &MemoryLimit) -> Result<()> {
    let config = "[ledger]\nended_retention = '1s'\n[source.estimate]\nenabled = true\n";
    let agent = Agent::builder().under(limit.launcher()).config(config).arguments(["--window", "20ms"]).start()?;
    let mut before = agent.samples()?.without("pid");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let watchers = (0..WATCHERS).map(|_| grpc::watch(&runtime, agent.grpc_address())).collect::<Result<Vec<_>>>()?;
    let (readers, deaf): (Vec<_>, Vec<_>) =
        watchers.into_iter().enumerate().partition(|(number, _)| number.is_multiple_of(2));
    for (_, mut reader) in readers {
        runtime.spawn(async move { while let Ok(Some(_)) = reader.message().await {} });
    }

    let parent = TestCgroup::new("memory")?;
    let (began, mut made) = (Instant::now(), 0);
    while began.elapsed() < STORM {
        let batch: Vec<_> = (made..made + 20).map(|number| parent.path().join(format!("leaf-{number}"))).collect();
        let lives = batch.iter().map(|leaf| {
            fs::create_dir(leaf)?;
            let mut life = std::process::Command::new(LOAD);
            life.args(["life", "1"]).arg(leaf.join("cgroup.procs")).stdout(Stdio::null());
            Ok(Running::start(&mut life)?)
        });
        for life in lives.collect::<Result<Vec<_>>>()? {
            ensure!(life.wait()?.success(), "a life has failed");
        }
        for leaf in &batch {
            wait_until(PATIENCE, || fs::remove_dir(leaf).ok()).context("cannot remove a cgroup")?;
        }
        made += batch.len();
        let samples = agent.samples()?;
        assert_books(&samples)?;
        // A process that was in two groups shows the larger part of its energy, until the line of that group goes.
        let samples = samples.without("pid");
        assert_nothing_fell(&before, &samples);
        before = samples;
    }
    drop(deaf);
    let lines = |samples: &Samples| {
        let all = samples.matching("prony_cgroup_cpu_seconds_total", &[]);
        all.filter(|line| line.labels["cgroup"].starts_with(&parent.name())).count()
    };
    let gone = |samples: &Samples| lines(samples) == 0;
    let samples =
        wait_until(PATIENCE, || agent.samples().ok().filter(gone)).context("ended cgroups keep their lines")?;
    assert_books(&samples)?;
    assert_nothing_fell(&before, &samples.without("pid"));
    let highest = limit.highest()?;
    println!("{made} cgroups, {WATCHERS} watchers; at most {} MiB of {} used", highest >> 20, LIMIT >> 20);
    ensure!(highest > 1 << 20, "the agent is not in the bounded cgroup");
    assert_eq!(limit.kills()?, 0, "the kernel has killed for want of memory");
    assert!(agent.stop()?.status.success());
    Ok(())
}
