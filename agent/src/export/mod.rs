//! What leaves the agent: one folder an exporter.

pub mod grpc;
mod listen;
pub mod prometheus;
