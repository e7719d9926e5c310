//! Simulator and client as tasks on real sockets.

use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::cli::meter_sim::{
    BoardSettings, Impairments, PowerSource, PowerTrace, Protocol, Settings, Simulator, serve,
};
use crate::config::MeterConfig;
use crate::source::SourceEnd;
use crate::source::metering::books::Books;
use crate::units::{Nanoseconds, Volts};

use super::super::links;
use super::config;

/// Far longer than anything here takes, so that no machine is too slow for it.
const PATIENCE: Duration = Duration::from_mins(1);

#[tokio::test]
async fn readings_are_pushed_over_a_real_socket() {
    let listen = UdpSocket::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let simulator = Simulator::new(Settings {
        protocol: Protocol::V2 { device: "meter-sim".into(), key: None, push_to: Some(listen) },
        board: BoardSettings { channels: 3, volts: Volts(5.0), noise: 0.0, clock_drift_ppm: 0.0, first_boot_id: 1 },
        impairments: Impairments::default(),
        interval: Nanoseconds::from_millis(10),
        reboot_every: None,
        seed: 1,
    });
    let power = PowerSource::Trace(PowerTrace::parse("0,4").unwrap());
    let shutdown = CancellationToken::new();
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let meter = tokio::spawn(serve(socket, simulator, power, shutdown.clone()));

    let both = [1, 2].map(|channel| MeterConfig { address: None, listen: Some(listen), channel, ..config() });
    let mut links = links(&both);
    assert_eq!(links.len(), 1, "one socket serves both channels");
    let (send, mut readings) = mpsc::unbounded_channel();
    let link = links.remove(0).unwrap();
    let link = tokio::spawn(link.run(move |reading| drop(send.send(reading)), shutdown.clone()));

    let mut books = [Books::default(), Books::default()];
    for _ in 0..40 {
        let reading = timeout(PATIENCE, readings.recv()).await.unwrap().unwrap();
        let second = reading.source.to_string() == "meter:meter-sim/2";
        books[usize::from(second)].add(&reading);
    }
    assert!(books.iter().all(|books| books.energy.0 > 0));

    shutdown.cancel();
    assert!(matches!(timeout(PATIENCE, link).await.unwrap().unwrap(), SourceEnd::Finished));
    timeout(PATIENCE, meter).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn a_subscription_over_a_real_socket_ends_with_its_client() {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let link = links(&[MeterConfig { address: Some(address), ..config() }]).remove(0).unwrap();
    let shutdown = CancellationToken::new();
    let link = tokio::spawn(link.run(|_| {}, shutdown.clone()));
    let mut buffer = [0; 2048];
    let (subscribe, _) = timeout(PATIENCE, socket.recv_from(&mut buffer)).await.unwrap().unwrap();
    assert!(subscribe > 8);
    shutdown.cancel();
    timeout(PATIENCE, socket.recv_from(&mut buffer)).await.unwrap().unwrap();
    assert!(matches!(timeout(PATIENCE, link).await.unwrap().unwrap(), SourceEnd::Finished));
}

#[test]
fn a_configuration_that_cannot_work_is_fatal_and_names_the_key() {
    let refused = |config| match links(&[config]).remove(0) {
        Err(SourceEnd::Fatal(message)) => message,
        other => panic!("{other:?}"),
    };
    assert!(refused(MeterConfig { address: None, ..config() }).contains("source.meter.listen"));
    assert!(refused(MeterConfig { listen: config().address, ..config() }).contains("source.meter.address"));
    assert!(refused(MeterConfig { channel: 0, ..config() }).contains("source.meter.channel"));
    assert!(refused(MeterConfig { device: String::new(), ..config() }).contains("source.meter.device"));
    assert!(refused(MeterConfig { volts: Some(Volts(-1.0)), ..config() }).contains("source.meter.volts"));
    assert!(refused(MeterConfig { key_file: Some("/nonexistent".into()), ..config() }).contains("openssl rand"));
}
