//! Readings and ESP32 datagrams of a trace as the pipeline takes them.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};

use prony_proto::meter::v1;
use prost::Message as _;

use crate::clock::Timestamp;
use crate::config::Esp32Config;
use crate::source::esp32::ChannelState;
use crate::source::{Counter, CounterRange, Measure, NotAZone, Provenance, Reading, SourceId, Zone};
use crate::units::{Microjoules, RelativeUncertainty, Volts, Watts};

use super::line::{Esp32, ReadingLine};
use super::problem::Problem;

/// A zone by its name and its socket, if it has one.
pub(super) fn zone(name: &str, socket: Option<u32>) -> Result<Zone, NotAZone> {
    let zone: Zone = name.parse()?;
    Ok(Zone { socket: socket.or(zone.socket), ..zone })
}

/// The largest power that is taken for one: a gigawatt. Fusion has a limit of its own, and says so.
const MOST_MICROWATTS: f64 = 1e15;

/// A reading that arrived at `at`.
pub(super) fn reading(line: &ReadingLine<'_>, at: Timestamp) -> Result<Reading, Problem> {
    let measure = match (line.cumulative_uj, line.power_uw) {
        (Some(total), None) => {
            let range =
                line.wraps_after_uj.map_or(CounterRange::Unbounded, |most| CounterRange::WrapsAfter(Microjoules(most)));
            Measure::Energy(Counter { total: Microjoules(total), range, epoch: line.epoch, outlives_agent: false })
        }
        (None, Some(power)) if (0.0..=MOST_MICROWATTS).contains(&power) => Measure::Power(Watts(power / 1e6)),
        _ => return Err(Problem::NoMeasure),
    };
    if !(0.0..f64::INFINITY).contains(&line.uncertainty) {
        return Err(Problem::Uncertainty);
    }
    Ok(Reading {
        source: SourceId(line.source.as_ref().into()),
        zone: zone(&line.zone, line.socket)?,
        at: line.as_of_ns.map_or(at, Timestamp),
        measure,
        uncertainty: RelativeUncertainty(line.uncertainty),
        clipped: line.clipped,
        provenance: if line.estimated { Provenance::Estimated } else { Provenance::Measured },
    })
}

/// The channels of an ESP32 meter, all of the whole node.
#[derive(Debug)]
pub(super) struct Esp32Channels {
    volts: Volts,
    volts_tolerance: f64,
    channels: BTreeMap<u8, ChannelState>,
}

impl Esp32Channels {
    pub(super) fn new(volts: Volts, volts_tolerance: f64) -> Self {
        Self { volts, volts_tolerance, channels: BTreeMap::new() }
    }

    /// What a datagram that arrived at `at` says, if it is to be believed.
    pub(super) fn datagram(&mut self, line: &Esp32, at: Timestamp) -> Option<Reading> {
        let Esp32 { channel, meter_us, charge_mas, current_ma } = *line;
        let config = || Esp32Config {
            address: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
            channel,
            volts: self.volts,
            volts_tolerance: self.volts_tolerance,
            zone: "node".into(),
        };
        let id = || SourceId(format!("esp32/{channel}").into());
        let state = self.channels.entry(channel).or_insert_with(|| ChannelState::new(id(), &config()));
        let datagram = v1::Sample { timestamp: meter_us, charge: charge_mas, current: current_ma }.encode_to_vec();
        state.datagram(at, &datagram).reading
    }
}
