//! What a user of an ESP32 meter relies on, whatever the network and the meter do.

mod books;
mod loopback;
mod schedule;
mod simulated;
mod state;
