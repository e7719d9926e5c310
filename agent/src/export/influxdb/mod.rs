//! `InfluxDB`: the power of every target over each interval, pushed as line protocol in PowerAPI's schema.
//!
//! `intervals` takes from pictures of the books what everybody used between two of them, `series` makes points of that,
//! `lines` writes them down, and `backlog` keeps what has not been sent. `exporter` drives both ends: books and
//! `database`.

mod backlog;
mod credentials;
mod database;
mod exporter;
mod intervals;
mod lines;
mod pace;
mod series;
#[cfg(test)]
mod tests;
mod wall;

pub use exporter::Exporter;
