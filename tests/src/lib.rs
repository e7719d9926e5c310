//! What the end-to-end tests share: the agent as a user starts it, groups of processes whose CPU time the kernel
//! counts too, and the agent's metrics as Prometheus reads them.
//!
//! A test that cannot run on this machine says so and returns:
//! ```no_run
//! # use prony_tests::{needs_agent, needs_bpf, skip};
//! # fn name_of_the_test() {
//! if let Some(reason) = needs_bpf().or_else(needs_agent) {
//!     return skip("name_of_the_test", &reason);
//! }
//! # }
//! # name_of_the_test();
//! ```

#![forbid(unsafe_code)]

mod accounting;
pub mod accuracy;
mod agent;
mod authority;
pub mod bench;
mod books;
mod bpffs;
mod browser;
mod cgroup;
pub mod containers;
mod docker_engine;
mod fake_rapl;
mod footprint;
pub mod fuzz;
mod guard;
mod http;
mod influxdb;
mod kubelet;
mod memory_limit;
mod network;
mod prometheus;
mod running;
mod samples;
mod stolen;
pub mod vm;
mod wait;

pub use accounting::Accounting;
pub use agent::{Agent, AgentBuilder, Stopped};
pub use authority::{Authority, Signed, TlsClient};
pub use books::{assert_books, assert_nothing_fell};
pub use bpffs::BpfFs;
pub use browser::{Browser, needs_browser};
pub(crate) use cgroup::cgroup_mounts;
pub use cgroup::{CgroupFolder, TestCgroup, cgroup2_mount};
pub use docker_engine::DockerEngine;
pub use fake_rapl::{FakeRapl, Zone};
pub use footprint::Footprint;
pub use guard::{needs_agent, needs_bpf, needs_root, needs_server, skip};
pub use http::{KeptAlive, Response, get};
pub use influxdb::{InfluxDb, Points};
pub use kubelet::Kubelet;
pub use memory_limit::MemoryLimit;
pub use network::{free_tcp_address, free_udp_address};
pub use prometheus::{Prometheus, assert_lint, encoded};
pub use running::Running;
pub use samples::{Sample, Samples};
pub use stolen::Stolen;
pub use wait::wait_until;
