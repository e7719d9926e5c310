//! Meters that speak Prony's own protocol v2, which docs/meter-protocol.md specifies.

pub mod frame;
pub mod wire;
