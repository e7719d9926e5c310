//! What watching requests on sockets costs: at every context switch of the machine, and at every request of a watched
//! server. All of it with the accounting of context switches beside it, as the agent has it.
//!
//! Two figures each: the kernel's own statistics of the programs' run times (they include what the statistics cost, so
//! for the switch it is how much more than an empty program), and how much longer a round trip takes without statistics.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use prony::activity::{CgroupId, read_topology};
use prony::clock::Timestamp;
use prony::kernel::{KernelSide, LoadOptions, ProgramCost, Sockets};
use prony_tests::bench::{Statistics, above, figure, median, ping_pong, yardstick};
use prony_tests::{KeptAlive, Running, TestCgroup};

const ROUNDS: usize = 15;
const ROUND_SECONDS: f64 = 0.25;

/// Places of the subjects in the table.
const ACCOUNTING: usize = 0;
const LOADED: usize = 1;
const WATCHING: usize = 2;
const LABELS: [&str; 3] = ["accounting only", "sockets loaded", "sockets of the server watched"];

fn main() -> Result<()> {
    let statistics = Statistics::take()?;
    let topology = Arc::new(read_topology(Path::new("/sys"))?);
    let _accounting = KernelSide::load(&topology, &LoadOptions::default())?;
    let server = Server::start()?;
    let mut rounds = Rounds::default();
    for _ in 0..ROUNDS {
        rounds.empty_ns.push(empty_program(&statistics)?);
        for subject in [ACCOUNTING, LOADED, WATCHING] {
            rounds.measure(subject, &server, &statistics)?;
        }
    }
    rounds.print();
    Ok(())
}

/// A server of one thread that answers at once, in a cgroup of its own.
struct Server {
    group: TestCgroup,
    address: SocketAddr,
    _process: Running,
}

impl Server {
    fn start() -> Result<Self> {
        let group = TestCgroup::new("bench-sockets")?;
        let program = std::env::current_exe()?.with_file_name("prony-http");
        let program = program.to_str().context("the path is no UTF-8")?;
        let mut process = group.command(program).args(["loop", "127.0.0.1:0", "300"]).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        BufReader::new(process.stdout.take().context("no output")?).read_line(&mut line)?;
        Ok(Self { group, address: line.trim().parse()?, _process: Running::from(process) })
    }

    /// Nanoseconds of one request after the other.
    fn round_trip(&self, sockets: Option<&mut Sockets>) -> Result<f64> {
        let mut connection = KeptAlive::connect(self.address)?;
        let (begin, mut count) = (Instant::now(), 0);
        while begin.elapsed() < Duration::from_secs_f64(ROUND_SECONDS) {
            connection.ask("/quick")?;
            count += 1;
        }
        let each = begin.elapsed().as_nanos() as f64 / f64::from(count);
        if let Some(sockets) = sockets {
            sockets.drain(Timestamp::now(), &mut Vec::new());
        }
        Ok(each)
    }
}

/// Nanoseconds of a program that does nothing, by the kernel's statistics.
fn empty_program(statistics: &Statistics) -> Result<f64> {
    const NAME: &str = "yardstick_empty";
    let object = yardstick(NAME)?;
    let cost = ProgramCost::of(object.program(NAME));
    statistics.switch(true)?;
    ping_pong(ROUND_SECONDS)?;
    statistics.switch(false)?;
    let time = cost.read().unwrap_or_default();
    Ok(time.total.0 as f64 / time.runs as f64)
}

/// Nanoseconds, of each round.
#[derive(Default)]
struct Rounds {
    empty_ns: Vec<f64>,
    ping_pong_ns: [Vec<f64>; 3],
    request_ns: [Vec<f64>; 3],
    /// Each program's run time, in the ping-pong for the switch and with requests for the others.
    program_ns: BTreeMap<&'static str, Vec<f64>>,
    /// Each program's runs for one request.
    runs: BTreeMap<&'static str, Vec<f64>>,
}

impl Rounds {
    fn measure(&mut self, subject: usize, server: &Server, statistics: &Statistics) -> Result<()> {
        let mut sockets = (subject != ACCOUNTING).then(|| Sockets::load(None)).transpose()?;
        if let (WATCHING, Some(sockets)) = (subject, &mut sockets) {
            sockets.watch(CgroupId(server.group.id()?), server.group.path())?;
        }
        self.ping_pong_ns[subject].push(ping_pong(ROUND_SECONDS)?);
        self.request_ns[subject].push(server.round_trip(sockets.as_mut())?);
        let (WATCHING, Some(mut sockets)) = (subject, sockets) else { return Ok(()) };
        statistics.switch(true)?;
        ping_pong(ROUND_SECONDS)?;
        let switches: Vec<_> = sockets.costs().filter(|(program, _)| *program == "switch").collect();
        let before = sockets.counts().begun;
        server.round_trip(Some(&mut sockets))?;
        statistics.switch(false)?;
        let requests = sockets.counts().begun - before;
        let packets = sockets.costs().filter(|(program, _)| *program != "switch");
        for (program, time) in switches.into_iter().chain(packets) {
            let time = time.unwrap_or_default();
            self.program_ns.entry(program).or_default().push(time.total.0 as f64 / time.runs as f64);
            self.runs.entry(program).or_default().push(time.runs as f64 / requests as f64);
        }
        Ok(())
    }

    fn print(&self) {
        println!("| program | runs | ns | above empty |");
        println!("|---|---|---:|---:|");
        println!("| empty, on sched_switch | | {} | |", figure(median(self.empty_ns.clone())));
        for (program, ns) in &self.program_ns {
            let runs = match *program {
                "switch" => "each context switch".to_owned(),
                _ => format!("{:.2} a request", median(self.runs[program].clone())),
            };
            let above_empty = median(ns.iter().zip(&self.empty_ns).map(|(program, empty)| program - empty).collect());
            println!("| {program} | {runs} | {} | {} |", figure(median(ns.clone())), figure(above_empty));
        }
        println!("\n| | ping-pong ns | more | request ns | more |");
        println!("|---|---:|---:|---:|---:|");
        for (subject, label) in LABELS.iter().enumerate() {
            println!(
                "| {label} | {:.0} | {} | {:.0} | {} |",
                median(self.ping_pong_ns[subject].clone()),
                figure(above(&self.ping_pong_ns, subject, ACCOUNTING)),
                median(self.request_ns[subject].clone()),
                figure(above(&self.request_ns, subject, ACCOUNTING)),
            );
        }
    }
}
