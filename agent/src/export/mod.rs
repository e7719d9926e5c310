//! What leaves the agent: one folder an exporter.

pub mod grpc;
pub mod prometheus;
