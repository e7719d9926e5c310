//! A small HTTP/1.1 server for tests, built in three ways. What a request asks for is in its path: `/short` burns 2 ms of
//! CPU time, `/long` 10 ms, `/big` sends a megabyte, anything else is answered at once.

mod event_loop;
mod message;
mod pool;

use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result};

use message::{Reading, answer};

const USAGE: &str = "\
usage: prony-http threads|loop|pool ADDRESS SECONDS
  threads  a thread for each connection
  loop     one thread that waits for all connections
  pool     one thread that reads, four others that answer
It prints the address that it listens on, and ends after SECONDS.";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let [mode @ ("threads" | "loop" | "pool"), address, seconds] = words[..] else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    match run(mode, address, seconds) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("prony-http: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(mode: &str, address: &str, seconds: &str) -> Result<()> {
    let seconds = Duration::from_secs_f64(seconds.parse().context("SECONDS is no number")?);
    let listener = TcpListener::bind(address).with_context(|| format!("cannot listen on {address}"))?;
    println!("{}", listener.local_addr()?);
    std::io::stdout().flush()?;
    std::thread::spawn(move || {
        std::thread::sleep(seconds);
        std::process::exit(0);
    });
    match mode {
        "threads" => threads(&listener),
        "loop" => event_loop::serve(&listener, answer),
        _ => pool::serve(&listener),
    }
}

fn threads(listener: &TcpListener) -> Result<()> {
    for connection in listener.incoming() {
        let connection = connection?;
        // A connection that breaks ends its thread; the client has seen it.
        std::thread::spawn(move || serve_one(connection));
    }
    Ok(())
}

fn serve_one(mut connection: TcpStream) -> Result<()> {
    connection.set_nodelay(true)?;
    let mut reading = Reading::default();
    while reading.more(&mut connection)? {
        while let Some(request) = reading.request() {
            if !answer(&mut connection, &request)? {
                return Ok(());
            }
        }
    }
    Ok(())
}
