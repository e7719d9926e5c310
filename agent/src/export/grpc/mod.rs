//! gRPC: `prony.energy.v1.Energy`, health and reflection.
//!
//! Subscribers that want the same thing share one `hub`: it follows the books, keeps a `table` of the lines it has
//! told of, and encodes each message once.

mod admission;
mod codec;
mod connections;
mod hub;
mod hubs;
mod invocations;
mod lines;
mod pace;
mod pattern;
mod pictures;
mod selection;
mod server;
mod service;
mod services;
mod table;
#[cfg(test)]
mod tests;
mod totals;

pub use server::GrpcServer;
pub use services::GrpcServices;
