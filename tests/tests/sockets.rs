//! Requests that are seen on sockets, on the real kernel, with servers of different making.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Stdio};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use prony::activity::{CgroupId, SocketRequest};
use prony::clock::Timestamp;
use prony::kernel::Sockets;
use prony_tests::{KeptAlive, TestCgroup, needs_bpf, needs_root, skip};

const SERVER: &str = env!("CARGO_BIN_EXE_prony-http");
/// After so long without a word a response is taken for ended, and a moment for the look at it.
const QUIET: Duration = Duration::from_millis(1_800);

/// A server in a cgroup of its own whose sockets are watched.
struct Watched {
    sockets: Sockets,
    requests: Vec<SocketRequest>,
    server: Child,
    address: SocketAddr,
    group: TestCgroup,
}

impl Watched {
    fn start(mode: &str, address: &str) -> Result<Self> {
        let group = TestCgroup::new(&format!("http-{mode}"))?;
        let mut sockets = Sockets::load(None)?;
        sockets.watch(CgroupId(group.id()?), group.path())?;
        let mut server = group.command(SERVER).args([mode, address, "60"]).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        BufReader::new(server.stdout.take().context("no output")?).read_line(&mut line)?;
        let address = line.trim().parse().with_context(|| format!("'{line}' is no address"))?;
        Ok(Self { sockets, requests: Vec::new(), server, address, group })
    }

    fn drain(&mut self) {
        self.sockets.drain(Timestamp::now(), &mut self.requests);
    }

    /// Looks on for a time.
    fn watch(&mut self, length: Duration) {
        let end = Instant::now() + length;
        while Instant::now() < end {
            sleep(Duration::from_millis(50));
            self.drain();
        }
    }

    /// The seen requests for a path.
    fn of(&self, path: &str) -> Vec<&SocketRequest> {
        self.requests.iter().filter(|request| request.path == path).collect()
    }

    /// The mean CPU time of the requests for a path, milliseconds.
    fn mean_ms(&self, path: &str) -> f64 {
        let of = self.of(path);
        of.iter().map(|request| request.on_cpu.seconds() * 1e3).sum::<f64>() / of.len() as f64
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// Why this cannot run here.
fn hindrance() -> Option<String> {
    needs_root().or_else(needs_bpf)
}

/// Four connections, 100 requests a second in all, short and long ones in turn.
fn mixed_load(server: SocketAddr, seconds: u64) -> Result<u64> {
    let clients: Vec<_> = (0..4_u64)
        .map(|client| {
            thread::spawn(move || -> Result<u64> {
                let mut connection = KeptAlive::connect(server)?;
                let (begin, pause) = (Instant::now() + Duration::from_millis(10 * client), Duration::from_millis(40));
                let count = seconds * 25;
                for number in 0..count {
                    sleep((begin + pause * number as u32).saturating_duration_since(Instant::now()));
                    connection.ask(if (number + client) % 2 == 0 { "/short" } else { "/long" })?;
                }
                Ok(count)
            })
        })
        .collect();
    clients.into_iter().map(|client| client.join().expect("a client has failed")).sum()
}

/// Every request is seen, and its CPU time is right.
fn counts_every_request(test: &str, mode: &str, address: &str) -> Result<()> {
    if let Some(reason) = hindrance() {
        skip(test, &reason);
        return Ok(());
    }
    let mut watched = Watched::start(mode, address)?;
    let server = watched.address;
    let before = watched.group.usage()?;
    let load = thread::spawn(move || mixed_load(server, 6));
    while !load.is_finished() {
        watched.watch(Duration::from_millis(50));
    }
    let asked = load.join().expect("the load has failed")?;
    let used = watched.group.usage()?.saturating_sub(before).as_secs_f64() * 1e3;
    watched.watch(QUIET);

    let (short, long) = (watched.mean_ms("/short"), watched.mean_ms("/long"));
    let seen: f64 = watched.requests.iter().map(|request| request.on_cpu.seconds() * 1e3).sum();
    println!(
        "{mode} on {server}: {asked} asked, {} seen; short {short:.3} ms, long {long:.3} ms, ratio {:.3}; \
         {seen:.0} ms in requests of {used:.0} ms that the group used",
        watched.requests.len(),
        long / short
    );
    for (name, cost) in watched.sockets.costs() {
        println!("  {name}: {cost:?}");
    }
    println!("  {:?}", watched.sockets.counts());
    assert_eq!(watched.requests.len() as u64, asked);
    assert_eq!(watched.of("/short").len(), watched.of("/long").len());
    let group = CgroupId(watched.group.id()?);
    for request in &watched.requests {
        assert_eq!((request.cgroup, request.pid.0), (group, watched.server.id()));
        assert!(request.start < request.response && request.response <= request.end, "{request:?}");
        assert_eq!(request.handed_over, mode == "pool", "{request:?}");
    }
    assert!((long / short / 5.0 - 1.0).abs() < 0.1, "a long request takes five times as much as a short one");
    Ok(())
}

#[test]
fn a_thread_for_each_connection() -> Result<()> {
    counts_every_request("a_thread_for_each_connection", "threads", "127.0.0.1:0")
}

#[test]
fn one_thread_for_all_connections() -> Result<()> {
    counts_every_request("one_thread_for_all_connections", "loop", "[::1]:0")
}

#[test]
fn requests_that_are_handed_over_to_other_threads() -> Result<()> {
    counts_every_request("requests_that_are_handed_over_to_other_threads", "pool", "127.0.0.1:0")
}

#[test]
fn quick_answers_are_all_seen() -> Result<()> {
    if let Some(reason) = hindrance() {
        skip("quick_answers_are_all_seen", &reason);
        return Ok(());
    }
    let mut watched = Watched::start("loop", "127.0.0.1:0")?;
    let mut connection = KeptAlive::connect(watched.address)?;
    for number in 0..2_000 {
        connection.ask("/quick/1")?;
        if number % 500 == 0 {
            watched.drain();
        }
    }
    watched.watch(QUIET);
    println!("{} seen, {:.4} ms each", watched.requests.len(), watched.mean_ms("/quick"));
    assert_eq!(watched.of("/quick").len(), 2_000);
    assert!(watched.requests.iter().all(|request| !request.on_cpu.is_zero()));
    Ok(())
}

/// Requests in pieces, side by side, with large answers, on connections that are closed; and what is no request.
#[test]
fn unusual_connections() -> Result<()> {
    if let Some(reason) = hindrance() {
        skip("unusual_connections", &reason);
        return Ok(());
    }
    let mut watched = Watched::start("threads", "127.0.0.1:0")?;

    let mut pieces = KeptAlive::connect(watched.address)?;
    for piece in ["GET /pieces HTTP/1.1\r\n", "Host: localhost\r\n", "\r\n"] {
        pieces.send(piece.as_bytes())?;
        sleep(Duration::from_millis(20));
    }
    pieces.take_answer()?;

    let mut big = KeptAlive::connect(watched.address)?;
    big.ask("/big")?;
    big.ask("/after-big")?;

    let mut closed = KeptAlive::connect(watched.address)?;
    closed.send(b"GET /closed HTTP/1.1\r\nConnection: close\r\n\r\n")?;
    closed.take_rest()?;
    watched.drain();
    assert_eq!(watched.of("/closed").len(), 1, "a closed connection ends its request at once");

    let mut side_by_side = KeptAlive::connect(watched.address)?;
    side_by_side.send(b"GET /first HTTP/1.1\r\n\r\nGET /second HTTP/1.1\r\n\r\n")?;
    side_by_side.take_answer()?;
    side_by_side.take_answer()?;

    let begun = watched.sockets.counts().begun;
    let mut no_http = KeptAlive::connect(watched.address)?;
    no_http.send(b"\x16\x03\x01 this is no request at all, however long it is\r\n")?;
    sleep(Duration::from_millis(50));
    assert_eq!(watched.sockets.counts().begun, begun);

    let mut unanswered = KeptAlive::connect(watched.address)?;
    unanswered.send(b"GET /unanswered HTTP/1.1\r\n")?;
    drop(unanswered);

    watched.watch(QUIET);
    let paths = ["/pieces", "/big", "/after-big", "/closed", "/first", "/second", "/unanswered"];
    let seen: Vec<usize> = paths.iter().map(|path| watched.of(path).len()).collect();
    // Those that are sent without waiting for the answer before count as one.
    assert_eq!(seen, [1, 1, 1, 1, 1, 0, 0], "{:?}", watched.requests);
    assert_eq!(watched.sockets.counts().unanswered, 1);
    let pieces = watched.of("/pieces")[0];
    assert!(pieces.response.since(pieces.start).seconds() > 0.035, "it began with its first piece");
    let big = watched.of("/big")[0];
    assert!(big.end > big.response && !big.handed_over, "{big:?}");
    Ok(())
}

#[test]
fn what_is_no_longer_watched_is_no_longer_seen() -> Result<()> {
    if let Some(reason) = hindrance() {
        skip("what_is_no_longer_watched_is_no_longer_seen", &reason);
        return Ok(());
    }
    let mut watched = Watched::start("threads", "127.0.0.1:0")?;
    let mut connection = KeptAlive::connect(watched.address)?;
    connection.ask("/seen")?;
    let group = CgroupId(watched.group.id()?);
    watched.sockets.forget(group);
    connection.ask("/unseen")?;
    watched.watch(QUIET);
    assert_eq!((watched.of("/seen").len(), watched.of("/unseen").len()), (1, 0));
    let nowhere = watched.sockets.watch(CgroupId(1), std::path::Path::new("/proc"));
    assert!(nowhere.is_err_and(|error| error.to_string().contains("/proc")));
    Ok(())
}
