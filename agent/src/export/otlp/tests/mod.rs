//! Tests of the parts, and of them together against a collector.

mod forwarder;
mod held;
mod spans;
