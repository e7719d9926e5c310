//! OpenTelemetry traces: spans of invocations in, and on to a collector with their energy.
//!
//! `spans` finds the invocations in a request, `receiver` reports them. Where a collector is configured, the request is kept
//! in `held` until their energy is known, or for no longer than that may take; `sender` sends it on.

mod attributes;
mod clocks;
mod collector;
#[cfg(test)]
pub(super) mod fixtures;
mod forwarder;
mod held;
mod receiver;
mod recent;
mod seen;
mod spans;
#[cfg(test)]
mod tests;

pub use forwarder::Forwarder;
pub use receiver::TraceReceiver;
