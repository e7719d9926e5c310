//! What there is to measure.

use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use prony_tests::{FakeRapl, Running, Zone};

use crate::GoesOn;

/// Watts of a zone in one minute and in the next.
const WATTS: [f64; 2] = [11.0, 17.0];

/// A simulated meter of the whole machine on a bad network, which reboots every two minutes.
pub(crate) fn start(address: SocketAddr) -> Result<Running> {
    let mut command = Command::new(std::env::var_os("PRONY_BIN").context("PRONY_BIN")?);
    command.args(["meter-sim", "--listen", &address.to_string(), "--reboot-every", "2m", "--interval", "200ms"]);
    command.args(["--loss", "0.1", "--duplicate", "0.05", "--reorder", "0.05"]).stdout(Stdio::null());
    Ok(Running::start(&mut command)?)
}

/// The agent's configuration for it.
pub(crate) fn config(address: SocketAddr) -> String {
    format!("[[source.esp32]]\naddress = '{address}'\nchannel = 1\nvolts = 5.0\n")
}

/// Moves the counters of all zones until it is over.
pub(crate) fn move_counters(rapl: &FakeRapl, going: &GoesOn) -> Result<()> {
    let (began, mut last, mut joules) = (Instant::now(), Instant::now(), 0.0);
    while !going.is_over() {
        thread::sleep(Duration::from_millis(50));
        let (now, minute) = (Instant::now(), began.elapsed().as_secs() / 60);
        joules += WATTS[usize::from(!minute.is_multiple_of(2))] * now.duration_since(last).as_secs_f64();
        last = now;
        for zone in Zone::ALL {
            rapl.set(zone, (joules * 1e6) as u64 % FakeRapl::RANGE)?;
        }
    }
    Ok(())
}
