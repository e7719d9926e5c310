//! The socket through which one or several meters are heard.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use prony_proto::meter::v2;
use tokio::net::UdpSocket;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::clock::Timestamp;
use crate::config::MeterConfig;
use crate::source::metering::{MeterTelemetry, Outcome};
use crate::source::{Reading, SourceEnd, SourceId};

use super::device::Device;
use super::device_state::Freshness;
use super::frame::LONGEST_DATAGRAM;
use super::subscription::{Action, Subscription};
use super::wire::{DecodeError, LONGEST_DEVICE, Report, decode_report, encode_request};

/// How long to wait after the network refused.
const RETRY_AFTER: Duration = Duration::from_secs(2);
/// With nothing to ask for, there is no time at which to wake.
const NOTHING_DUE: Duration = Duration::from_hours(1);

#[derive(Debug)]
enum Role {
    /// The meter is asked to send.
    Subscriber { meter: SocketAddr, subscription: Subscription },
    /// Meters send of themselves.
    Listener { address: SocketAddr },
}

/// A socket and the meters that are heard through it, ready to run.
#[derive(Debug)]
pub struct MeterLink {
    id: SourceId,
    role: Role,
    devices: Vec<Device>,
    /// For datagrams that are of none of the devices.
    telemetry: MeterTelemetry,
}

/// What meters have to have in common to share a socket.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Endpoint<'a> {
    Meter(SocketAddr, &'a str),
    Listen(SocketAddr),
}

/// The links of a configuration, each or why it cannot work. Channels of one meter share a subscription, and meters
/// that push to one address share its socket.
pub fn links(configs: &[MeterConfig]) -> Vec<Result<MeterLink, SourceEnd>> {
    let mut groups = Vec::<(Endpoint<'_>, Vec<&MeterConfig>)>::new();
    let mut refused = Vec::new();
    for config in configs {
        match endpoint(config) {
            Ok(endpoint) => match groups.iter_mut().find(|group| group.0 == endpoint) {
                Some(group) => group.1.push(config),
                None => groups.push((endpoint, vec![config])),
            },
            Err(end) => refused.push(Err(end)),
        }
    }
    groups.into_iter().map(|(endpoint, configs)| MeterLink::new(endpoint, &configs)).chain(refused).collect()
}

fn endpoint(config: &MeterConfig) -> Result<Endpoint<'_>, SourceEnd> {
    let refuse = |what: &str| Err(SourceEnd::Fatal(format!("meter:{}/{}: {what}", config.device, config.channel)));
    if !(1..=LONGEST_DEVICE).contains(&config.device.len()) {
        return refuse("set source.meter.device to the meter's name, of 1 to 32 bytes");
    }
    if config.channel == 0 {
        return refuse("channels are numbered from 1: set source.meter.channel");
    }
    if config.volts.is_some_and(|volts| !(volts.0 > 0.0 && volts.0.is_finite())) {
        return refuse("set source.meter.volts to the supply voltage, for example 5.0, or leave it out");
    }
    if !(0.0..1.0).contains(&config.volts_tolerance) {
        return refuse("set source.meter.volts_tolerance to a fraction, for example 0.05 for 5 %");
    }
    match (config.address, config.listen) {
        (Some(address), None) => Ok(Endpoint::Meter(address, &config.device)),
        (None, Some(listen)) => Ok(Endpoint::Listen(listen)),
        _ => refuse("set either source.meter.address (to ask the meter) or source.meter.listen (if it pushes)"),
    }
}

impl MeterLink {
    fn new(endpoint: Endpoint<'_>, configs: &[&MeterConfig]) -> Result<Self, SourceEnd> {
        let mut groups = Vec::<(&str, Vec<&MeterConfig>)>::new();
        for &config in configs {
            match groups.iter_mut().find(|group| group.0 == config.device) {
                Some(group) => group.1.push(config),
                None => groups.push((&config.device, vec![config])),
            }
        }
        let devices = groups.into_iter().map(|(name, configs)| Device::new(name, &configs));
        let (address, role) = match endpoint {
            Endpoint::Meter(meter, _) => {
                (meter, Role::Subscriber { meter, subscription: Subscription::new(draw_nonce()) })
            }
            Endpoint::Listen(address) => (address, Role::Listener { address }),
        };
        let id = SourceId(format!("meter:{address}").into());
        Ok(Self { devices: devices.collect::<Result<_, _>>()?, role, telemetry: MeterTelemetry::new(id.clone()), id })
    }

    /// Which link this is. Its readings are of the sources `meter:DEVICE/CHANNEL`.
    pub fn id(&self) -> &SourceId {
        &self.id
    }

    /// Hands every reading to `deliver` until `shutdown`. A network that is gone is waited for: what is known of the
    /// meters' counters is kept meanwhile, so that no energy is lost or counted twice.
    pub async fn run(mut self, mut deliver: impl FnMut(Reading) + Send, shutdown: CancellationToken) -> SourceEnd {
        let mut local = match &self.role {
            Role::Listener { address } => *address,
            Role::Subscriber { meter, .. } if meter.is_ipv4() => (Ipv4Addr::UNSPECIFIED, 0).into(),
            Role::Subscriber { .. } => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        loop {
            let error = match self.open(&mut local).await {
                Ok(socket) => {
                    tokio::select! {
                        Err(error) = self.converse(&socket, &mut deliver) => error,
                        () = shutdown.cancelled() => {
                            self.unsubscribe(&socket).await;
                            return SourceEnd::Finished;
                        }
                    }
                }
                Err(error) => error,
            };
            self.telemetry.unreachable(error);
            tokio::select! {
                () = sleep(RETRY_AFTER) => {}
                () = shutdown.cancelled() => return SourceEnd::Finished,
            }
        }
    }

    async fn open(&self, local: &mut SocketAddr) -> io::Result<UdpSocket> {
        let socket = UdpSocket::bind(*local).await?;
        if let Role::Subscriber { meter, .. } = &self.role {
            socket.connect(*meter).await?;
        }
        Ok(socket)
    }

    /// Asks and listens until the socket fails.
    async fn converse(&mut self, socket: &UdpSocket, deliver: &mut impl FnMut(Reading)) -> io::Result<Infallible> {
        // One byte more than the longest datagram tells an oversized one from it.
        let mut buffer = [0; LONGEST_DATAGRAM + 1];
        loop {
            let wait = self.ask_if_due(socket).await?;
            tokio::select! {
                // What has come is read before silence is concluded.
                biased;
                received = socket.recv(&mut buffer) => match received {
                    Ok(length) => self.hear(Timestamp::now(), &buffer[..length], deliver),
                    Err(error) => self.telemetry.outlive(error)?,
                },
                () = sleep(wait) => {}
            }
        }
    }

    /// Sends a request if one is due; how long to wait for the next.
    async fn ask_if_due(&mut self, socket: &UdpSocket) -> io::Result<Duration> {
        let now = Timestamp::now();
        match self.due_request(now) {
            Ok(request) => match socket.send(&request).await {
                Ok(_) => Ok(Duration::ZERO),
                Err(error) => self.telemetry.outlive(error).map(|()| Duration::ZERO),
            },
            Err(until) => Ok(until.map_or(NOTHING_DUE, |until| until.since(now).into())),
        }
    }

    /// The request that has to be sent now, or when one may have to be.
    pub(super) fn due_request(&mut self, now: Timestamp) -> Result<Vec<u8>, Option<Timestamp>> {
        let Role::Subscriber { subscription, .. } = &mut self.role else { return Err(None) };
        if let Action::Wait(until) = subscription.tick(now) {
            return Err(Some(until));
        }
        if let Some(silence) = subscription.silent_for(now) {
            self.telemetry.silent(silence);
        }
        subscription.asking(now, draw_nonce);
        self.telemetry.requested();
        self.request(v2::Action::Subscribe).ok_or(None)
    }

    pub(super) fn request(&self, action: v2::Action) -> Option<Vec<u8>> {
        let (Role::Subscriber { subscription, .. }, [device]) = (&self.role, &self.devices[..]) else { return None };
        let Device { name, key, state, .. } = device;
        Some(encode_request(&subscription.request(action, name, state.numbers(), state.latest()), key.as_ref()))
    }

    async fn unsubscribe(&self, socket: &UdpSocket) {
        if let Some(request) = self.request(v2::Action::Unsubscribe) {
            // If this is lost, the lease ends the subscription.
            let _ = socket.send(&request).await;
        }
    }

    /// Takes a datagram that arrived at `arrival`. Arrivals do not go back.
    pub fn hear(&mut self, arrival: Timestamp, datagram: &[u8], deliver: &mut impl FnMut(Reading)) {
        let (index, report) = match self.recognise(datagram) {
            Ok(recognised) => recognised,
            Err(error) => {
                self.telemetry.datagram(Outcome::Malformed);
                return self.telemetry.malformed(error);
            }
        };
        let Some(device) = index.and_then(|index| self.devices.get_mut(index)) else {
            self.telemetry.datagram(Outcome::Foreign);
            let device = &report.device;
            return self.telemetry.foreign(format_args!(
                "it is of the device '{device}': set source.meter.device to that if it is the right one"
            ));
        };
        let mut freshness = if device.key.is_some() { Freshness::Replayable } else { Freshness::Unauthenticated };
        if let Role::Subscriber { subscription, .. } = &mut self.role {
            if report.nonce == subscription.nonce() {
                if subscription.is_unanswered() {
                    freshness = Freshness::Certain;
                }
                subscription.heard(arrival, report.sequence);
            } else if !subscription.is_previous(report.nonce) {
                return device.telemetry.datagram(Outcome::Foreign);
            }
        }
        device.hear(arrival, &report, freshness, deliver);
    }

    /// The report, and whose it is: of the device whose key opens it and whose name it has.
    fn recognise(&self, datagram: &[u8]) -> Result<(Option<usize>, Report), DecodeError> {
        let mut unknown = None;
        let mut refused = None;
        for (index, device) in self.devices.iter().enumerate() {
            match decode_report(datagram, device.key.as_ref()) {
                Ok(report) if report.device == device.name => return Ok((Some(index), report)),
                Ok(report) => unknown = Some(report),
                Err(error) => refused = Some(error),
            }
        }
        match (unknown, refused) {
            (Some(report), _) => Ok((None, report)),
            (None, Some(error)) => Err(error),
            (None, None) => Err(DecodeError::NotAMessage("no device is configured".into())),
        }
    }
}

/// Any number but 0.
fn draw_nonce() -> u64 {
    rand::random_range(1..=u64::MAX)
}
