//! What a user of an ESP32 meter relies on, whatever the network and the meter do.

mod loopback;
mod schedule;
mod simulated;
mod state;
