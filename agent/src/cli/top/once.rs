//! One picture for a script: what was used in one whole interval.

use std::io::Write as _;
use std::time::Duration;

use anyhow::Context;

use super::args::TopArgs;
use super::books::Books;
use super::render::render;
use super::server::Server;

/// How much longer than its interval the agent may take.
const GRACE: Duration = Duration::from_secs(15);

/// Prints one picture.
pub(super) async fn run(args: TopArgs) -> anyhow::Result<()> {
    let books = tokio::time::timeout(args.interval * 2 + GRACE, one_interval(&args))
        .await
        .context("the agent does not answer in time: look at its log, or at `prony doctor`")??;
    let text = render(&books, &args)?;
    std::io::stdout().write_all(text.as_bytes()).context("cannot write to standard output")
}

async fn one_interval(args: &TopArgs) -> anyhow::Result<Books> {
    let server = Server::new(&args.endpoint, &args.credentials)?;
    let told = |status| anyhow::anyhow!(server.explain(&status));
    let mut stream = server.watch(args.request(args.by)).await.map_err(told)?;
    let mut books = Books::default();
    // Messages come at the same windows for all subscribers, so the time from the first to the second may be short.
    for _ in 0..3 {
        let message = stream.message().await.map_err(told)?.context("the agent ended the stream: try again")?;
        books.apply(message);
        if books.interval.is_some_and(|interval| interval >= args.interval) {
            break;
        }
    }
    Ok(books)
}
