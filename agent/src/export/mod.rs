//! What leaves the agent: one folder an exporter.

pub mod access;
mod containers;
pub mod grpc;
pub mod influxdb;
mod listen;
pub mod otlp;
pub mod page;
mod powerapi;
pub mod prometheus;
mod reporter_clock;
