//! Traces: what came into the pipeline, recorded and replayed. docs/trace.md describes the format.
//!
//! A recorded trace goes through the same fusion, attribution and invocation books as live data. There is no clock in
//! them, so that the same trace and options give the same result, to the byte.

mod activity;
mod consumers;
mod line;
mod machine;
mod meter;
mod problem;
mod reader;
mod recorder;
mod replay;
mod result;
mod scan;
mod write_behind;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod two_meters_test;

pub use problem::{Problem, TraceError};
pub use recorder::{Recorded, Recorder};
pub use replay::{Replay, ReplayOptions, Replayed};
pub use result::By;
