//! Meters that speak Prony's own protocol v2, which docs/meter-protocol.md specifies.

mod device;
mod device_state;
pub mod frame;
mod link;
mod sequence;
mod subscription;
pub mod wire;

#[cfg(test)]
mod tests;

pub use link::{MeterLink, links};
