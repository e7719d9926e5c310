//! Whether ports are free and meters can be reached. The only part of the doctor that opens sockets.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::time::Duration;

use crate::config::{Config, Esp32Config, MeterConfig};
use crate::export::access::Access;

/// How long a refusal may take.
const PATIENCE: Duration = Duration::from_millis(500);

/// A channel that no meter has. The ESP32 drops the request without an answer; one for a real channel would make it
/// send to us for ever.
const NO_CHANNEL: &[u8] = b"0";

/// Whether a meter can be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Nobody asked for it to be tried.
    NotTried {
        /// Which meter.
        name: String,
    },
    /// Nothing came back, neither an answer nor a refusal.
    Silent {
        /// Which meter.
        name: String,
    },
    /// It cannot be reached, or cannot reach us.
    Failed {
        /// Which meter.
        name: String,
        /// What went wrong.
        why: String,
        /// What to do.
        fix: &'static str,
    },
    /// The port that it sends to is free.
    Free {
        /// Which meter.
        name: String,
    },
}

/// What became of opening a listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Port {
    /// It can be opened.
    Free,
    /// Somebody has it.
    Taken,
    /// It cannot be opened for another reason.
    Refused(String),
    /// It is switched off.
    Off,
}

/// The listeners of the agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ports {
    /// Of Prometheus.
    pub prometheus: Port,
    /// Of gRPC.
    pub grpc: Port,
    /// Whether the files that say who may come in can be used; `None` where there are none.
    pub access: Option<Result<(), String>>,
}

impl Ports {
    /// Opens each for a moment, and reads their files.
    pub fn try_all(config: &Config) -> Self {
        let open = |enabled, address| if enabled { port(TcpListener::bind::<SocketAddr>(address)) } else { Port::Off };
        Self {
            prometheus: open(config.prometheus.enabled, config.prometheus.listen),
            grpc: open(config.grpc.enabled, config.grpc.listen),
            access: (config.access.files().next().is_some())
                .then(|| Access::open(&config.access).map(drop).map_err(|error| format!("{error:#}"))),
        }
    }
}

fn port<T>(opened: std::io::Result<T>) -> Port {
    match opened {
        Ok(_) => Port::Free,
        Err(error) if error.kind() == ErrorKind::AddrInUse => Port::Taken,
        Err(error) => Port::Refused(error.to_string()),
    }
}

/// Looks at every configured meter; sends something only where `probe` says so.
pub(super) fn meters(config: &Config, probe: bool) -> Vec<Reach> {
    let esp32 = config.source.esp32.iter().map(|Esp32Config { address, channel, .. }| {
        poll(format!("esp32:{address}/{channel}"), *address, NO_CHANNEL, probe)
    });
    let own = config.source.meter.iter().map(|MeterConfig { address, listen, device, channel, .. }| {
        let name = format!("meter:{device}/{channel}");
        match (address, listen) {
            (Some(address), _) => poll(name, *address, &[], probe),
            (None, Some(listen)) => match port(UdpSocket::bind(listen)) {
                Port::Free | Port::Off => Reach::Free { name },
                Port::Taken => Reach::Failed {
                    name,
                    why: format!("UDP port {listen} is taken"),
                    fix: "it may be a running agent's; else choose another in source.meter.listen",
                },
                Port::Refused(why) => {
                    Reach::Failed { name, why, fix: "give source.meter.listen an address of this machine" }
                }
            },
            (None, None) => Reach::NotTried { name },
        }
    });
    esp32.chain(own).collect()
}

fn poll(name: String, address: SocketAddr, datagram: &[u8], probe: bool) -> Reach {
    if !probe {
        return Reach::NotTried { name };
    }
    match send(address, datagram) {
        Ok(()) => Reach::Silent { name },
        Err(error) => Reach::Failed {
            name,
            why: format!("{address} cannot be reached: {error}"),
            fix: "check the address, the meter's power and its network",
        },
    }
}

fn send(address: SocketAddr, datagram: &[u8]) -> std::io::Result<()> {
    let own: SocketAddr = match address {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(own)?;
    socket.connect(address)?;
    socket.send(datagram)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    match socket.recv(&mut [0; 64]) {
        Err(error) if !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Err(error),
        _ => Ok(()),
    }
}
