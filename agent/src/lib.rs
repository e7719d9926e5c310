//! Prony: how many joules every process, container and function on this machine uses.
//!
//! Data goes one way, and a module uses only those named before it here:
//! kernel → activity → source → profile → fuse → attribute → identity → ledger → invocation → state → trace → snapshot → export.
//! From `source` to `snapshot` it is plain data in, plain data out; clocks, files and sockets are at the edges.

#![deny(unsafe_code)]

pub mod activity;
pub mod apportion;
pub mod attribute;
pub mod cli;
pub mod clock;
pub mod config;
pub mod confine;
pub mod export;
pub mod footprint;
pub mod fuse;
pub mod host;
pub mod identity;
mod instance;
pub mod invocation;
pub mod kernel;
pub mod ledger;
pub mod notice;
pub mod pipeline;
pub mod profile;
mod shared_text;
pub mod snapshot;
pub mod source;
pub mod state;
pub mod telemetry;
pub mod trace;
pub mod units;
