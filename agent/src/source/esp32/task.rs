//! The socket and the clock of one channel.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::clock::Timestamp;
use crate::config::Esp32Config;
use crate::source::metering::{MeterTelemetry, Outcome};
use crate::source::{Reading, SourceEnd, SourceId};

use super::channel_state::{Change, ChannelState, Heard};
use super::subscription::{Action, RequestPacer, Subscription};
use super::wire::{LONGEST_DATAGRAM, encode_request};

/// How long to wait after the network refused.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// One channel of an ESP32 meter, ready to run.
#[derive(Debug)]
pub struct Esp32Meter {
    id: SourceId,
    config: Esp32Config,
    pacer: Arc<RequestPacer>,
}

/// The meters of a configuration, each or why it cannot work. Channels of one meter space their requests out together.
pub fn meters(configs: &[Esp32Config]) -> Vec<Result<Esp32Meter, SourceEnd>> {
    let mut pacers = BTreeMap::<SocketAddr, Arc<RequestPacer>>::new();
    let shared = |config: &Esp32Config| Arc::clone(pacers.entry(config.address).or_default());
    let pacers = configs.iter().map(shared).collect::<Vec<_>>();
    configs.iter().zip(pacers).map(|(config, pacer)| Esp32Meter::new(config.clone(), pacer)).collect()
}

impl Esp32Meter {
    /// The meter of one configured channel. `pacer` is shared by all channels of this address.
    pub fn new(config: Esp32Config, pacer: Arc<RequestPacer>) -> Result<Self, SourceEnd> {
        let id = SourceId(format!("esp32:{}/{}", config.address, config.channel).into());
        let refuse = |what: &str| Err(SourceEnd::Fatal(format!("{id}: {what}")));
        if config.channel == 0 {
            return refuse("channels are numbered from 1: set source.esp32.channel");
        }
        if !(config.volts.0 > 0.0 && config.volts.0.is_finite()) {
            return refuse("set source.esp32.volts to the supply voltage, for example 5.0");
        }
        if !(0.0..1.0).contains(&config.volts_tolerance) {
            return refuse("set source.esp32.volts_tolerance to a fraction, for example 0.05 for 5 %");
        }
        Ok(Self { id, config, pacer })
    }

    /// Which source its readings are of.
    pub fn id(&self) -> &SourceId {
        &self.id
    }

    /// Hands every reading to `deliver` until `shutdown`. A network that is gone is waited for: what is known of the
    /// meter's counter is kept meanwhile, so that no energy is lost or counted twice.
    pub async fn run(self, deliver: impl FnMut(Reading) + Send, shutdown: CancellationToken) -> SourceEnd {
        let mut listener = Listener {
            state: ChannelState::new(self.id.clone(), &self.config),
            subscription: Subscription::default(),
            telemetry: MeterTelemetry::new(self.id.clone()),
            deliver,
            local: if self.config.address.is_ipv4() {
                (Ipv4Addr::UNSPECIFIED, 0).into()
            } else {
                (Ipv6Addr::UNSPECIFIED, 0).into()
            },
            meter: self,
        };
        // Not biased: a flood of datagrams must not keep the agent from ending.
        tokio::select! {
            () = shutdown.cancelled() => SourceEnd::Finished,
            never = listener.listen() => match never {},
        }
    }
}

struct Listener<F> {
    meter: Esp32Meter,
    state: ChannelState,
    subscription: Subscription,
    telemetry: MeterTelemetry,
    deliver: F,
    /// Where to listen: any port at first, and then the same for ever, since the meter keeps sending there.
    local: SocketAddr,
}

impl<F: FnMut(Reading) + Send> Listener<F> {
    async fn listen(&mut self) -> Infallible {
        loop {
            let error = match self.connect().await {
                Ok(socket) => self.converse(&socket).await,
                Err(error) => Err(error),
            };
            let Err(error) = error;
            self.telemetry.unreachable(error);
            sleep(RETRY_AFTER).await;
        }
    }

    /// A socket that hears the meter only.
    async fn connect(&mut self) -> io::Result<UdpSocket> {
        let socket = match UdpSocket::bind(self.local).await {
            Ok(socket) => socket,
            // Somebody else has the port now: any other will do, after one more request.
            Err(_) => UdpSocket::bind(SocketAddr::new(self.local.ip(), 0)).await?,
        };
        self.local.set_port(socket.local_addr()?.port());
        socket.connect(self.meter.config.address).await?;
        Ok(socket)
    }

    /// Asks and listens until the socket fails.
    async fn converse(&mut self, socket: &UdpSocket) -> io::Result<Infallible> {
        // One byte more than the longest message tells an oversized datagram from it.
        let mut buffer = [0; LONGEST_DATAGRAM + 1];
        loop {
            let wait = self.ask_if_due(socket).await?;
            tokio::select! {
                // What has come is read before silence is concluded.
                biased;
                received = socket.recv(&mut buffer) => match received {
                    Ok(length) => self.hear(Timestamp::now(), &buffer[..length]),
                    Err(error) => self.telemetry.outlive(error)?,
                },
                () = sleep(wait) => {}
            }
        }
    }

    /// Sends a request if one is due; how long to wait for the next.
    async fn ask_if_due(&mut self, socket: &UdpSocket) -> io::Result<Duration> {
        let now = Timestamp::now();
        if let Action::Wait(until) = self.subscription.tick(now) {
            return Ok(until.since(now).into());
        }
        if let Err(until) = self.meter.pacer.take(now) {
            return Ok(until.since(now).into());
        }
        if let Some(silence) = self.subscription.silent_for(now) {
            self.telemetry.silent(silence);
        }
        self.subscription.asked(now);
        self.state.asked(now);
        self.telemetry.requested();
        match socket.send(&encode_request(self.meter.config.channel)).await {
            Ok(_) => Ok(Duration::ZERO),
            Err(error) => self.telemetry.outlive(error).map(|()| Duration::ZERO),
        }
    }

    fn hear(&mut self, arrival: Timestamp, datagram: &[u8]) {
        self.subscription.heard(arrival);
        let Heard { outcome, reading, change, saturated, error } = self.state.datagram(arrival, datagram);
        self.telemetry.datagram(outcome);
        if let Some(error) = error {
            self.telemetry.malformed(error);
        }
        if outcome == Outcome::Foreign {
            self.telemetry.foreign(
                "its counter is another one's. Two requests in quick succession make the firmware send a wrong \
                 channel, and only a restart of the meter ends that",
            );
        }
        if saturated {
            self.telemetry.saturated();
        }
        match change {
            Some(Change::Rebooted { lost }) => self.telemetry.rebooted(lost),
            Some(Change::CounterReset { lost }) => self.telemetry.counter_reset(lost),
            None => {}
        }
        if let Some(reading) = reading {
            (self.deliver)(reading);
        }
    }
}
