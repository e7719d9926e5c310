//! ESP32 meters that speak protocol v1: an INA3221 that counts charge, and a datagram a second for ever.
//! docs/meter-protocol.md describes the exchange and what can go wrong with it.

mod boot_track;
mod channel_state;
mod subscription;
mod task;
pub mod wire;

#[cfg(test)]
mod tests;

pub use channel_state::{Change, ChannelState, Heard};
pub use subscription::{Action, RequestPacer, SILENCE, SPACING, Subscription};
pub use task::{Esp32Meter, meters};

use super::metering::Shunt;

/// The input of the deployed meters.
const INPUT: Shunt = Shunt::INA3221_100_MILLIOHM;
