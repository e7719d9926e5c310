//! The commands of the `prony` binary.

pub mod check_config;
pub mod doctor;
pub mod meter_sim;
pub mod run;
pub mod top;
