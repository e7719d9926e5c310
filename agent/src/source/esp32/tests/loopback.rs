//! Simulator and client as tasks on real sockets.

use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::cli::meter_sim::{
    BoardSettings, Impairments, PowerSource, PowerTrace, Protocol, Settings, Simulator, serve,
};
use crate::config::Esp32Config;
use crate::source::metering::books::Books;
use crate::source::{Provenance, SourceEnd};
use crate::units::{Nanoseconds, Volts};

use super::super::meters;
use super::state::config;

/// Far longer than anything here takes, so that no machine is too slow for it.
const PATIENCE: Duration = Duration::from_mins(1);

#[tokio::test]
async fn readings_come_over_a_real_socket() {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let simulator = Simulator::new(Settings {
        protocol: Protocol::V1,
        board: BoardSettings { channels: 3, volts: Volts(5.0), noise: 0.0, clock_drift_ppm: 0.0, first_boot_id: 1 },
        impairments: Impairments { loss: 0.0, duplicate: 0.2, reorder: 0.2 },
        interval: Nanoseconds::from_millis(10),
        reboot_every: None,
        seed: 1,
    });
    let power = PowerSource::Trace(PowerTrace::parse("0,4").unwrap());
    let shutdown = CancellationToken::new();
    let meter = tokio::spawn(serve(socket, simulator, power, shutdown.clone()));

    let client = meters(&[Esp32Config { address, channel: 3, ..config() }]).remove(0).unwrap();
    assert_eq!(client.id().to_string(), format!("esp32:{address}/3"));
    let (send, mut readings) = mpsc::unbounded_channel();
    let client = tokio::spawn(client.run(move |reading| drop(send.send(reading)), shutdown.clone()));

    let (mut books, mut first) = (Books::default(), None);
    for _ in 0..50 {
        let reading = timeout(PATIENCE, readings.recv()).await.unwrap().unwrap();
        assert_eq!(reading.provenance, Provenance::Measured);
        first.get_or_insert(reading.at);
        books.add(&reading);
    }
    assert!(books.energy.0 > 0);

    shutdown.cancel();
    assert!(matches!(timeout(PATIENCE, client).await.unwrap().unwrap(), SourceEnd::Finished));
    timeout(PATIENCE, meter).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn a_meter_that_is_not_there_is_waited_for() {
    // A port where nobody listens: the kernel answers every request with an error.
    let address = UdpSocket::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let client = meters(&[Esp32Config { address, ..config() }]).remove(0).unwrap();
    let shutdown = CancellationToken::new();
    let client = tokio::spawn(client.run(|_| panic!("nobody sends"), shutdown.clone()));
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!client.is_finished());
    shutdown.cancel();
    assert!(matches!(timeout(PATIENCE, client).await.unwrap().unwrap(), SourceEnd::Finished));
}

#[test]
fn a_configuration_that_cannot_work_is_fatal_and_names_the_key() {
    let refused = |config| match meters(&[config]).remove(0) {
        Err(SourceEnd::Fatal(message)) => message,
        other => panic!("{other:?}"),
    };
    assert!(refused(Esp32Config { channel: 0, ..config() }).contains("source.esp32.channel"));
    assert!(refused(Esp32Config { volts: Volts(0.0), ..config() }).contains("source.esp32.volts"));
    assert!(refused(Esp32Config { volts_tolerance: 5.0, ..config() }).contains("volts_tolerance"));
}
