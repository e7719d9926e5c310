//! Who asks.

use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use prony_proto::energy::v1 as pb;
use prony_proto::energy::v1::energy_client::EnergyClient;
use prony_tests::get;
use tokio::time::{sleep, timeout};

use crate::GoesOn;

/// How many subscribe at once; each second one does not read.
const SUBSCRIBERS: usize = 12;
/// For how long, after which they connect anew.
const SUBSCRIBED: Duration = Duration::from_secs(20);
const SCRAPE_EVERY: Duration = Duration::from_millis(500);

/// Subscribers who come and go until it is over.
pub(crate) fn subscribe(server: SocketAddr, going: &GoesOn) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        while !going.is_over() {
            let watchers: Vec<_> =
                (0..SUBSCRIBERS).map(|number| tokio::spawn(watch(server, number % 2 == 0, going.clone()))).collect();
            for watcher in watchers {
                watcher.await??;
            }
        }
        Ok(())
    })
}

async fn watch(server: SocketAddr, reads: bool, going: GoesOn) -> Result<()> {
    let request = pb::WatchRequest { granularity: pb::Granularity::Process as i32, filter: None, resolution: None };
    let mut stream = EnergyClient::connect(format!("http://{server}")).await?.watch(request).await?.into_inner();
    if !reads {
        sleep(SUBSCRIBED).await;
        return Ok(());
    }
    let mut last = None;
    let read = async {
        while !going.is_over() {
            let message = stream.message().await?.context("the stream has ended")?;
            let generation = message.picture.context("a message without a picture")?.generation;
            ensure!(last.is_none_or(|last| generation > last), "the same window twice");
            last = Some(generation);
        }
        anyhow::Ok(())
    };
    timeout(SUBSCRIBED, read).await.unwrap_or(Ok(()))
}

/// Scrapes until it is over. A machine that is overloaded may refuse one, and the agent says so.
pub(crate) fn scrape(server: SocketAddr, going: &GoesOn) -> Result<()> {
    while !going.is_over() {
        let compressed = [("Accept-Encoding", "gzip")];
        for headers in [&[][..], &compressed] {
            let status = get(server, "/metrics", headers)?.status;
            ensure!([200, 503].contains(&status), "a scrape is answered with {status}");
            thread::sleep(SCRAPE_EVERY);
        }
    }
    Ok(())
}
