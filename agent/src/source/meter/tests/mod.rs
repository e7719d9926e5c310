//! What a user of a v2 meter relies on, whatever the network and the meter do.

mod document;
mod loopback;
mod simulated;
mod state;

use crate::config::MeterConfig;

/// Channel 2 of the simulator, asked.
fn config() -> MeterConfig {
    MeterConfig {
        address: Some("127.0.0.1:30000".parse().unwrap()),
        listen: None,
        device: "meter-sim".into(),
        channel: 2,
        key_file: None,
        volts: None,
        volts_tolerance: 0.05,
        zone: "node".into(),
    }
}
