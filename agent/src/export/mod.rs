//! What leaves the agent: one folder an exporter.

mod containers;
pub mod grpc;
mod listen;
pub mod prometheus;
