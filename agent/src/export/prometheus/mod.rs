//! Prometheus: Kepler's metrics, `prony_*`, and the agent's own telemetry on one endpoint.
//!
//! A scrape asks the pipeline for the books, renders them off the async threads, and sends them as Prometheus text
//! 0.0.4 or `OpenMetrics` 1.0, compressed on request.

mod books;
mod connection;
mod exposition;
mod family;
mod footprint;
mod invocations;
mod kepler;
mod negotiation;
mod number;
mod own_process;
mod own_telemetry;
mod page;
mod powerapi;
mod processes;
mod prony;
mod reference;
mod renderer;
mod server;
mod table;
mod usage_ratio;
pub(super) mod zones;

#[cfg(test)]
mod page_tests;
#[cfg(test)]
mod parser;
#[cfg(test)]
pub(super) mod sample_books;

pub(super) use books::Books;
pub(super) use own_process::OwnProcess;
pub(super) use own_telemetry::sum as telemetry_sum;
pub use reference::reference;
pub use server::Server;
