//! The messages of protocol v2, checked.

use prony_proto::meter::v2;
use prost::Message;

use crate::source::metering::LONGEST_UPTIME;
use crate::units::{Microjoules, MilliampereSeconds, Milliamperes, Nanoseconds, RelativeUncertainty};

use super::frame::{self, FrameError, Key, Kind};

/// The longest device name, in bytes.
pub const LONGEST_DEVICE: usize = 32;
/// The most channels in one report. As many fit into a datagram.
pub const MOST_CHANNELS: usize = 16;
/// What is assumed of a meter that does not state its uncertainty (one sigma).
const UNSTATED_UNCERTAINTY: RelativeUncertainty = RelativeUncertainty(0.01);
/// 2^53 of the smallest unit: the largest count that a double still holds exactly. 9 GJ, or 9 GAs.
const LARGEST_COUNT: u64 = 1 << 53;

/// Bits of `Channel.flags`.
pub mod flags {
    /// The input is at full scale now.
    pub const SATURATED: u32 = 1;
    /// The sensor does not answer, and the counters stand still.
    pub const SENSOR_FAILED: u32 = 2;
}

/// A report whose values make sense.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// The meter's name.
    pub device: String,
    /// Which boot of the meter; larger with each.
    pub boot_id: u64,
    /// The number of this report in its subscription, from 1; 0 if it answers a single request.
    pub sequence: u64,
    /// The uptime at which that numbering began.
    pub numbered_since: Nanoseconds,
    /// Time since the meter booted.
    pub uptime: Nanoseconds,
    /// The subscription that it belongs to; 0 for none.
    pub nonce: u64,
    /// What each channel says.
    pub channels: Vec<Channel>,
}

/// One channel in a report.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Channel {
    /// Its number, from 1.
    pub number: u32,
    /// Charge since the meter booted.
    pub charge: MilliampereSeconds,
    /// Energy since the meter booted, if it measures voltage.
    pub energy: Option<Microjoules>,
    /// The current at this moment.
    pub current: Milliamperes,
    /// How long the input was at full scale since the meter booted.
    pub saturated: Nanoseconds,
    /// Whether the sensor does not answer.
    pub sensor_failed: bool,
    /// What the meter says of its own accuracy.
    pub uncertainty: RelativeUncertainty,
}

/// Why a datagram is no report.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum DecodeError {
    /// The frame is wrong.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The payload is not the message.
    #[error("it is not a report ({0})")]
    NotAMessage(String),
    /// A value is out of its range.
    #[error("its {field} is {value}, which docs/meter-protocol.md does not allow")]
    OutOfRange {
        /// Which value.
        field: &'static str,
        /// What it is.
        value: String,
    },
}

/// Reads a report.
pub fn decode_report(datagram: &[u8], key: Option<&Key>) -> Result<Report, DecodeError> {
    let payload = frame::open(Kind::Report, datagram, key)?;
    let v2::Report { device, boot_id, sequence, uptime_us, nonce, channels, numbered_since_us } =
        v2::Report::decode(payload).map_err(|error| DecodeError::NotAMessage(error.to_string()))?;
    within("device's length", device.len() as u64, 1, LONGEST_DEVICE as u64)?;
    within("boot_id", boot_id, 1, u64::MAX)?;
    within("uptime_us", uptime_us, 0, LONGEST_UPTIME.0 / 1_000)?;
    within("numbered_since_us", numbered_since_us, 0, uptime_us)?;
    within("number of channels", channels.len() as u64, 0, MOST_CHANNELS as u64)?;
    let channels = channels.into_iter().map(|channel| decode_channel(&channel)).collect::<Result<Vec<_>, _>>()?;
    if let Some(twice) = first_duplicate(&channels) {
        return Err(DecodeError::OutOfRange { field: "channel", value: format!("{twice} twice") });
    }
    let numbered_since = Nanoseconds(numbered_since_us * 1_000);
    Ok(Report { device, boot_id, sequence, numbered_since, uptime: Nanoseconds(uptime_us * 1_000), nonce, channels })
}

fn decode_channel(channel: &v2::Channel) -> Result<Channel, DecodeError> {
    let &v2::Channel { channel, charge_uas, energy_uj, bus_mv: _, current_ua, saturated_us, flags, uncertainty_ppm } =
        channel;
    within("channel", u64::from(channel), 1, u64::from(u32::MAX))?;
    within("charge_uas", charge_uas, 0, LARGEST_COUNT)?;
    within("energy_uj", energy_uj.unwrap_or(0), 0, LARGEST_COUNT)?;
    within("saturated_us", saturated_us, 0, LONGEST_UPTIME.0 / 1_000)?;
    within("uncertainty_ppm", u64::from(uncertainty_ppm), 0, 1_000_000)?;
    Ok(Channel {
        number: channel,
        charge: MilliampereSeconds(charge_uas as f64 / 1e3),
        energy: energy_uj.map(Microjoules),
        current: Milliamperes(current_ua as f64 / 1e3),
        saturated: Nanoseconds(saturated_us * 1_000),
        sensor_failed: flags & flags::SENSOR_FAILED != 0,
        uncertainty: match uncertainty_ppm {
            0 => UNSTATED_UNCERTAINTY,
            parts => RelativeUncertainty(f64::from(parts) / 1e6),
        },
    })
}

fn within(field: &'static str, value: u64, least: u64, most: u64) -> Result<(), DecodeError> {
    if (least..=most).contains(&value) {
        Ok(())
    } else {
        Err(DecodeError::OutOfRange { field, value: value.to_string() })
    }
}

fn first_duplicate(channels: &[Channel]) -> Option<u32> {
    let mut numbers = channels.iter().map(|channel| channel.number).collect::<Vec<_>>();
    numbers.sort_unstable();
    numbers.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0])
}

/// The datagram that carries a request.
pub fn encode_request(request: &v2::Request, key: Option<&Key>) -> Vec<u8> {
    frame::seal(Kind::Request, &request.encode_to_vec(), key)
}

/// The datagram that carries a report.
pub fn encode_report(report: &v2::Report, key: Option<&Key>) -> Vec<u8> {
    frame::seal(Kind::Report, &report.encode_to_vec(), key)
}
