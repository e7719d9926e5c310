//! What there is to measure.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use prony_tests::{FakeRapl, Running, Zone};

use crate::GoesOn;

/// Watts of the package in one minute and in the next, and of the whole machine.
const WATTS: [f64; 2] = [2.0, 3.5];
const TRACE: &str = "0,4\n60,6\n120,6\n";

/// A simulated meter of the whole machine on a bad network, which reboots every two minutes. What it follows is written to
/// the folder.
pub(crate) fn start(address: SocketAddr, folder: &Path) -> Result<Running> {
    let trace = folder.join("trace.csv");
    fs::write(&trace, TRACE)?;
    let mut command = Command::new(std::env::var_os("PRONY_BIN").context("PRONY_BIN")?);
    command.args(["meter-sim", "--listen", &address.to_string(), "--reboot-every", "2m", "--interval", "200ms"]);
    command.args(["--loss", "0.1", "--duplicate", "0.05", "--reorder", "0.05", "--trace"]).arg(trace);
    Ok(Running::start(command.stdout(Stdio::null()))?)
}

/// The agent's configuration for it.
pub(crate) fn config(address: SocketAddr) -> String {
    format!("[[source.esp32]]\naddress = '{address}'\nchannel = 1\nvolts = 5.0\n")
}

/// Moves the counters of the package and its cores until it is over.
pub(crate) fn move_counters(rapl: &FakeRapl, going: &GoesOn) -> Result<()> {
    let (began, mut last, mut joules) = (Instant::now(), Instant::now(), 0.0);
    while !going.is_over() {
        thread::sleep(Duration::from_millis(50));
        let (now, minute) = (Instant::now(), began.elapsed().as_secs() / 60);
        joules += WATTS[usize::from(!minute.is_multiple_of(2))] * now.duration_since(last).as_secs_f64();
        last = now;
        for zone in [Zone::Package, Zone::Core] {
            rapl.set(zone, (joules * 1e6) as u64 % FakeRapl::RANGE)?;
        }
    }
    Ok(())
}
