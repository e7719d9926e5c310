//! What leaves the agent: one folder an exporter.

pub mod access;
mod containers;
pub mod grpc;
mod listen;
pub mod otlp;
pub mod page;
pub mod prometheus;
mod reporter_clock;
