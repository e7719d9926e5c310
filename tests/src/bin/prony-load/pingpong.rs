//! As many context switches as a pipe can cause.

use std::io::{Read, Write, stdin, stdout};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::thread::{CpuSet, sched_setaffinity};

pub(crate) fn run(length: Duration) -> Result<()> {
    let mut only_first = CpuSet::new();
    only_first.set(0);
    sched_setaffinity(None, &only_first)?;
    let mut other =
        Command::new(std::env::current_exe()?).arg("pong").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut there = other.stdin.take().context("no pipe")?;
    let mut back = other.stdout.take().context("no pipe")?;
    let start = Instant::now();
    let mut rounds = 0_u64;
    let mut byte = [0];
    while start.elapsed() < length {
        for _ in 0..100 {
            there.write_all(&byte)?;
            back.read_exact(&mut byte)?;
        }
        rounds += 100;
    }
    let seconds = start.elapsed().as_secs_f64();
    drop(there);
    other.wait()?;
    println!("{}", serde_json::json!({ "rounds": rounds, "seconds": seconds }));
    Ok(())
}

pub(crate) fn echo() -> Result<()> {
    let (mut from, mut to) = (stdin().lock(), stdout().lock());
    let mut byte = [0];
    while from.read(&mut byte)? == 1 {
        to.write_all(&byte)?;
        to.flush()?;
    }
    Ok(())
}
