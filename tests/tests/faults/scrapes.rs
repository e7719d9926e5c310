//! Scrapes by the hundred, half of them by clients that hardly read.

use std::env;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use prony_tests::{
    Agent, FakeRapl, Footprint, Samples, assert_books, assert_nothing_fell, get, needs_agent, needs_bpf, skip,
    wait_until,
};

/// For how long; `PRONY_SCRAPE_SECONDS` sets another number.
const SECONDS: u64 = 5;
/// How many scrapes are wanted a second; a machine that is slower gets as many as it answers.
const RATE: u32 = 200;
/// How many clients take turns.
const CLIENTS: u32 = 16;
/// The most memory that the agent takes meanwhile.
const MOST_RESIDENT: u64 = 128 << 20;
const PATIENCE: Duration = Duration::from_secs(20);
const WINDOW: Duration = Duration::from_millis(100);

#[test]
fn a_storm_of_scrapes_is_answered_and_no_window_is_lost() {
    if let Some(reason) = needs_bpf().or_else(needs_agent) {
        return skip("scrapes::a_storm_of_scrapes_is_answered_and_no_window_is_lost", &reason);
    }
    storm().unwrap();
}

/// Reads what is answered in small pieces, slowly at first.
fn read_slowly(server: SocketAddr) -> Result<()> {
    let mut connection = TcpStream::connect(server)?;
    connection.set_read_timeout(Some(PATIENCE))?;
    connection.write_all(b"GET /metrics HTTP/1.0\r\n\r\n")?;
    let (mut answer, mut piece) = (Vec::new(), [0; 1_024]);
    loop {
        let length = connection.read(&mut piece)?;
        if length == 0 {
            break;
        }
        if answer.len() < 8 * piece.len() {
            thread::sleep(Duration::from_millis(5));
        }
        answer.extend_from_slice(&piece[..length]);
    }
    ensure!(answer.starts_with(b"HTTP/1.0 200 OK\r\n"), "{}", String::from_utf8_lossy(&answer));
    ensure!(answer.ends_with(b"\n"), "the page is cut");
    Ok(())
}

fn storm() -> Result<()> {
    let seconds = env::var("PRONY_SCRAPE_SECONDS").ok().and_then(|number| number.parse().ok()).unwrap_or(SECONDS);
    let rapl = FakeRapl::new()?;
    let agent = Agent::builder().arguments(rapl.arguments()).start()?;
    let has_begun = |samples: &Samples| samples.sum("prony_windows_total", &[]) > 5.0;
    wait_until(PATIENCE, || agent.samples().ok().filter(has_begun)).context("no windows")?;
    let first = Instant::now();
    let before = agent.samples()?;
    let first = first.elapsed();
    let (began, footprint) = (Instant::now(), Footprint::of(agent.pid())?);

    let (until, next) = (began + Duration::from_secs(seconds), AtomicU32::new(0));
    let client = || -> Result<(Vec<Duration>, u64)> {
        let (mut took, mut last, mut resident) = (Vec::new(), before.clone(), 0);
        while Instant::now() < until {
            let number = next.fetch_add(1, Ordering::Relaxed);
            thread::sleep((began + number * Duration::from_secs(1) / RATE).saturating_duration_since(Instant::now()));
            let asked = Instant::now();
            if number.is_multiple_of(2) {
                read_slowly(agent.metrics_address())?;
                continue;
            }
            let answer = get(agent.metrics_address(), "/metrics", &[])?;
            took.push(asked.elapsed());
            ensure!(answer.status == 200, "a scrape is refused: {}", answer.status);
            // Adding all of them up would keep the machine from scraping.
            if number % 20 == 1 {
                let samples = Samples::parse(answer.text()?)?;
                assert_books(&samples)?;
                assert_nothing_fell(&last, &samples);
                last = samples;
                resident = resident.max(Footprint::of(agent.pid())?.resident);
            }
        }
        Ok((took, resident))
    };
    let clients = thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(client)).collect();
        clients.into_iter().map(|client| client.join().expect("a client fails by an error")).collect::<Result<Vec<_>>>()
    })?;
    let asked = began.elapsed();
    let after = agent.samples()?;
    let elapsed = began.elapsed();
    assert_books(&after)?;
    assert_nothing_fell(&before, &after);
    let resident = clients.iter().map(|(_, resident)| *resident).max().context("no clients")?;
    let mut took: Vec<Duration> = clients.into_iter().flat_map(|(took, _)| took).collect();
    took.sort_unstable();
    let more = |name| after.sum(name, &[]) - before.sum(name, &[]);
    let (answered, closed, missed) =
        (more("prony_scrapes_total"), more("prony_windows_total"), more("prony_windows_missed_total"));
    println!(
        "{answered} scrapes in {:.1} s, {:.0} a second; of those that read at once half within {:?}, 99 of 100 within {:?}; \
         {closed} windows closed, {missed} joined with the next; at most {} MiB resident",
        elapsed.as_secs_f64(),
        answered / elapsed.as_secs_f64(),
        took[took.len() / 2],
        took[took.len() * 99 / 100],
        resident >> 20
    );
    // All windows that had ended when it was asked are closed when it answers, and at most those that had ended by then.
    let due = |elapsed: Duration| elapsed.as_secs_f64() / WINDOW.as_secs_f64();
    let (least, most) = (due(asked) - 2.0, due(elapsed + first) + 2.0);
    ensure!((least..=most).contains(&(closed + missed)), "{closed} windows and {missed} missed, of {least} to {most}");
    ensure!(resident < MOST_RESIDENT, "{resident} bytes resident");
    footprint.is_returned_to(agent.pid())?;
    assert!(agent.stop()?.status.success());
    Ok(())
}
