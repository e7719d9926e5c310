//! The configuration: one TOML file, overlaid by environment and flags.

mod duration;
mod schema;

pub use schema::{
    ActivityConfig, AttributionConfig, Config, Esp32Config, EstimateConfig, GrpcConfig, HostConfig, HwmonConfig,
    HwmonRail, LedgerConfig, MeterConfig, Policy, PrometheusConfig, RaplConfig, RaplInterface, SourceConfig,
    StaticPower,
};
