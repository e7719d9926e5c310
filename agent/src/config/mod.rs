//! The configuration: one TOML file, overlaid by environment and flags.

mod check;
mod duration;
mod environment;
mod influxdb;
mod keys;
mod kind;
mod load;
mod problem;
mod reference;
mod rules;
mod schema;
mod tree;

pub use environment::{CONFIG_VARIABLE, variables};
pub use load::{DEFAULT_FILE, Loaded, Override, load, load_text};
pub use problem::{ConfigErrors, Origin, Problem};
pub use reference::example;
pub use schema::{
    AccessConfig, ActivityConfig, AttributionConfig, Config, Counters, Esp32Config, EstimateConfig, EstimateTable,
    FootprintConfig, GrpcConfig, HostConfig, HwmonConfig, HwmonRail, IdentityConfig, InfluxdbConfig, InfluxdbVersion,
    InvocationConfig, LedgerConfig, MetadataChoice, MeterConfig, OtlpConfig, PageConfig, Policy, PowerapiSchema,
    PrometheusConfig, RaplConfig, RaplInterface, SeccompMode, SecurityConfig, SourceConfig, StateConfig, StaticPower,
    Weights,
};
