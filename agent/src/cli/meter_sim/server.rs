//! The simulation on a real socket, in real time.

use std::time::Duration;

use anyhow::Context;
use tokio::net::UdpSocket;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::clock::Timestamp;

use super::power::PowerSource;
use super::simulator::Simulator;

/// How often the meter converts: the deployed firmware's loop.
const STEP: Duration = Duration::from_millis(10);

/// Answers on `socket` until `shutdown`.
pub async fn serve(
    socket: UdpSocket,
    mut simulator: Simulator,
    mut power: PowerSource,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let started = Timestamp::now();
    let mut steps = interval(STEP);
    steps.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut buffer = [0; 2048];
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return Ok(()),
            _ = steps.tick() => {
                let elapsed = Timestamp::now().since(started);
                for datagram in simulator.advance(elapsed, power.at(elapsed)) {
                    // A client that has gone away answers with an ICMP error; to a meter that is nothing.
                    let _ = socket.send_to(&datagram.bytes, datagram.to).await;
                }
            }
            received = socket.recv_from(&mut buffer) => match received {
                Ok((length, from)) => simulator.receive(from, &buffer[..length]),
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {}
                Err(error) => return Err(error).context("the socket failed"),
            }
        }
    }
}
