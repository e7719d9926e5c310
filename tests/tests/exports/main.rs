//! What the agent tells, by those who read it: a real Prometheus, the generated gRPC client, and `prony top`, and whom it tells.

mod access;
mod bench;
mod grpc;
mod influxdb;
mod mirror;
mod names;
mod page_figures;
mod prometheus;
mod top;
