//! A thousand watchers of whom half stop reading, and scrapes by the hundred: those who read get every window in time.

use std::env;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use prony_proto::energy::v1 as pb;
use prony_proto::energy::v1::energy_client::EnergyClient;
use prony_tests::{Agent, Footprint, assert_books, get, needs_agent, needs_bpf, skip, wait_until};
use tokio::time::timeout;
use tonic::transport::{Channel, Endpoint};

/// How many watch; `PRONY_SUBSCRIBERS` sets another number.
const SUBSCRIBERS: usize = 200;
/// How many streams share a connection: fewer than the agent allows on one.
const PER_CONNECTION: usize = 50;
/// For how long.
const WATCHED: Duration = Duration::from_secs(6);
const PATIENCE: Duration = Duration::from_secs(30);
/// The most memory that the agent takes with all of them.
const MOST_RESIDENT: u64 = 128 << 20;

#[test]
fn those_who_read_get_every_window_whatever_the_others_do() {
    if let Some(reason) = needs_bpf().or_else(needs_agent) {
        return skip("subscribers::those_who_read_get_every_window_whatever_the_others_do", &reason);
    }
    crowd().unwrap();
}

/// What one watcher has got.
#[derive(Debug, Default)]
struct Got {
    messages: u64,
    missed: u64,
    /// How long after a window's end its message came.
    delays: Vec<Duration>,
}

async fn watch(channel: Channel, reads: bool, until: Instant) -> Result<Got> {
    let request = pb::WatchRequest {
        granularity: pb::Granularity::Process as i32,
        filter: None,
        resolution: Some(prost_types::Duration { seconds: 0, nanos: 100_000_000 }),
    };
    let mut stream = EnergyClient::new(channel).watch(request).await?.into_inner();
    let mut got = Got::default();
    if !reads {
        tokio::time::sleep_until(until.into()).await;
        return Ok(got);
    }
    let mut last = None;
    while let Ok(message) = tokio::time::timeout_at(until.into(), stream.message()).await {
        let message = message?.context("the stream has ended")?;
        let now = std::time::SystemTime::now();
        let picture = message.picture.context("a message without a picture")?;
        got.messages += 1;
        got.missed += message.missed;
        let at = picture.at.context("a picture without a time")?;
        let at = std::time::UNIX_EPOCH + Duration::new(at.seconds as u64, at.nanos as u32);
        got.delays.push(now.duration_since(at).unwrap_or_default());
        ensure!(last.is_none_or(|last| picture.generation > last), "the same window twice");
        last = Some(picture.generation);
    }
    Ok(got)
}

fn crowd() -> Result<()> {
    let subscribers = env::var("PRONY_SUBSCRIBERS").ok().and_then(|number| number.parse().ok()).unwrap_or(SUBSCRIBERS);
    let agent = Agent::builder().start()?;
    let is_there = || agent.samples().ok().filter(|samples| samples.sum("prony_windows_total", &[]) > 10.0);
    let before = wait_until(PATIENCE, is_there).context("no windows")?;
    let (grpc, metrics) = (agent.grpc_address(), agent.metrics_address());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let (got, scrapes) = runtime.block_on(async {
        let until = Instant::now() + WATCHED;
        let scraper = tokio::task::spawn_blocking(move || scrape(metrics, until));
        let got = watch_all(grpc, subscribers, until).await?;
        anyhow::Ok((got, scraper.await??))
    })?;
    let readers: Vec<&Got> = got.iter().filter(|got| got.messages > 0).collect();
    let mut delays: Vec<Duration> = readers.iter().flat_map(|got| &got.delays).copied().collect();
    delays.sort_unstable();
    let missed: u64 = readers.iter().map(|got| got.missed).sum();
    let late = delays[delays.len() * 99 / 100];
    let resident = Footprint::of(agent.pid())?.resident;
    println!(
        "{subscribers} watchers, {} of them read: {} messages, {missed} windows missed, 99 of 100 within {late:?}; {scrapes} scrapes; \
         {} MiB resident",
        readers.len(),
        delays.len(),
        resident >> 20
    );
    assert_eq!(readers.len(), subscribers.div_ceil(2), "somebody who reads has got nothing");
    // A machine that has no time for all of them may leave out some messages; those who do not read would cost all.
    assert!(missed * 20 <= delays.len() as u64, "who reads has missed {missed} windows");
    assert!(resident < MOST_RESIDENT, "{resident} bytes resident");
    let after = agent.samples()?;
    assert_books(&after)?;
    let skipped = after.sum("prony_windows_missed_total", &[]) - before.sum("prony_windows_missed_total", &[]);
    println!("{skipped} windows skipped by the agent");
    assert!(agent.stop()?.status.success());
    Ok(())
}

async fn watch_all(server: SocketAddr, subscribers: usize, until: Instant) -> Result<Vec<Got>> {
    let mut watchers = Vec::new();
    let mut channel = None;
    for number in 0..subscribers {
        if number % PER_CONNECTION == 0 {
            // Who does not read would keep others on the same connection from reading: they have one of their own.
            let connect = || Endpoint::from_shared(format!("http://{server}"));
            channel = Some([connect()?.connect().await?, connect()?.connect().await?]);
        }
        let reads = number % 2 == 0;
        let [readers, idlers] = channel.clone().context("a connection")?;
        watchers.push(tokio::spawn(watch(if reads { readers } else { idlers }, reads, until)));
    }
    let mut got = Vec::new();
    for watcher in watchers {
        got.push(timeout(WATCHED + PATIENCE, watcher).await???);
    }
    Ok(got)
}

/// Scrapes one after the other until then; how often.
fn scrape(server: SocketAddr, until: Instant) -> Result<u32> {
    let mut scrapes = 0;
    while Instant::now() < until {
        ensure!(get(server, "/metrics", &[])?.status == 200, "a scrape is refused");
        scrapes += 1;
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(scrapes)
}
