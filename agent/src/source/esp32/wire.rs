//! Protocol v1 on the wire.

use prony_proto::meter::v1;
use prost::Message;

use crate::source::metering::LONGEST_UPTIME;
use crate::units::{MilliampereSeconds, Milliamperes, Nanoseconds};

/// The longest datagram taken. The longest message is 25 bytes (three tags, a varint of 10, a double and a float); the
/// rest is room for fields that firmware may add.
pub const LONGEST_DATAGRAM: usize = 64;
/// No INA3221 can count more in a hundred years: 5.2e12 mAs at 1.638 A.
const LARGEST_CHARGE: f64 = 1e13;
/// A kiloampere: beyond any shunt that fits on a board.
const LARGEST_CURRENT: f32 = 1e6;

/// One message of a meter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// Time since the meter booted, to the microsecond.
    pub uptime: Nanoseconds,
    /// Charge since it booted; not negative.
    pub charge: MilliampereSeconds,
    /// The current at this moment; not negative.
    pub current: Milliamperes,
}

/// Why a datagram is no message.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum DecodeError {
    /// It is longer than any message.
    #[error("it has {0} bytes and a v1 message has at most {LONGEST_DATAGRAM}: is this a v1 meter's port?")]
    Oversized(usize),
    /// It is not the protobuf message.
    #[error("it is not a v1 message ({0}): is this a v1 meter's port?")]
    NotAMessage(String),
    /// Its time is beyond a hundred years.
    #[error("it says that the meter has been up for {0} µs")]
    Uptime(u64),
    /// Its charge is not a number, negative or absurd.
    #[error("it says that {0} mAs have flowed")]
    Charge(f64),
    /// Its current is not a number, negative or absurd.
    #[error("it says that {0} mA flow")]
    Current(f32),
}

/// Reads a datagram. An empty one is a message of zeros.
pub fn decode(datagram: &[u8]) -> Result<Sample, DecodeError> {
    if datagram.len() > LONGEST_DATAGRAM {
        return Err(DecodeError::Oversized(datagram.len()));
    }
    let v1::Sample { timestamp, charge, current } =
        v1::Sample::decode(datagram).map_err(|error| DecodeError::NotAMessage(error.to_string()))?;
    if timestamp > LONGEST_UPTIME.0 / 1_000 {
        return Err(DecodeError::Uptime(timestamp));
    }
    if !(0.0..=LARGEST_CHARGE).contains(&charge) {
        return Err(DecodeError::Charge(charge));
    }
    if !(0.0..=LARGEST_CURRENT).contains(&current) {
        return Err(DecodeError::Current(current));
    }
    Ok(Sample {
        uptime: Nanoseconds(timestamp * 1_000),
        charge: MilliampereSeconds(charge),
        current: Milliamperes(f64::from(current)),
    })
}

/// The datagram that asks for a channel: its number in ASCII.
pub fn encode_request(channel: u8) -> Vec<u8> {
    channel.to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sample(uptime: Nanoseconds, charge: f64, current: f64) -> Sample {
        Sample { uptime, charge: MilliampereSeconds(charge), current: Milliamperes(current) }
    }

    #[test]
    fn the_deployed_firmwares_bytes_are_understood() {
        let datagram = hex::decode("08c0843d1100000000008e12411d0000c844").unwrap();
        assert_eq!(decode(&datagram), Ok(sample(Nanoseconds::SECOND, 304_000.0, 1600.0)));
        assert_eq!(decode(&[]), Ok(sample(Nanoseconds::ZERO, 0.0, 0.0)));
    }

    #[test]
    fn a_request_is_the_channel_in_ascii() {
        assert_eq!(encode_request(3), b"3");
        assert_eq!(encode_request(12), b"12");
    }

    #[test]
    fn what_no_meter_can_have_counted_is_refused_with_the_value() {
        let encoded = |timestamp, charge, current| v1::Sample { timestamp, charge, current }.encode_to_vec();
        for charge in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0, 1e300] {
            let error = decode(&encoded(1, charge, 0.0)).unwrap_err();
            assert!(error.to_string().contains("mAs"), "{error}");
        }
        for current in [f32::NAN, f32::INFINITY, -0.5, 1e30] {
            let error = decode(&encoded(1, 0.0, current)).unwrap_err();
            assert!(error.to_string().contains("mA flow"), "{error}");
        }
        assert_eq!(decode(&encoded(u64::MAX, 0.0, 0.0)), Err(DecodeError::Uptime(u64::MAX)));
        assert_eq!(decode(&[0; 65]), Err(DecodeError::Oversized(65)));
        assert!(matches!(decode(&[0x08]), Err(DecodeError::NotAMessage(_))));
    }

    #[test]
    fn a_field_that_newer_firmware_adds_does_no_harm() {
        let mut datagram = hex::decode("08c0843d1100000000008e12411d0000c844").unwrap();
        datagram.extend([0x20, 0x07]);
        assert_eq!(decode(&datagram), Ok(sample(Nanoseconds::SECOND, 304_000.0, 1600.0)));
    }

    proptest! {
        #[test]
        fn whatever_comes_is_a_sane_sample_or_refused(datagram in prop::collection::vec(any::<u8>(), 0..100)) {
            if let Ok(Sample { uptime, charge, current }) = decode(&datagram) {
                prop_assert!(uptime <= LONGEST_UPTIME);
                prop_assert!(charge.0 >= 0.0 && charge.0.is_finite());
                prop_assert!(current.0 >= 0.0 && current.0.is_finite());
            }
        }
    }
}
