//! What the agent reads from outside, fed with whatever comes. Each function takes the bytes of one case and panics where
//! a promise is broken; `cargo xtask fuzz` looks for such bytes, and the test `fuzz_corpus` feeds in what was found and
//! what a look for more begins with (`tests/fuzz/corpus`).

mod books;
mod bytes;
mod config;
mod grpc_requests;
mod kernel;
mod kernel_text;
mod metadata;
mod meter_v1;
mod meter_v2;
mod pictures;
mod spans;
mod state;
mod sysfs;
mod trace;
mod tree;

/// One thing that is fuzzed.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name: that of its folder in `tests/fuzz/corpus` and of its file in `tests/fuzz/fuzz_targets`.
    pub name: &'static str,
    /// Runs one case.
    pub run: fn(&[u8]),
}

const fn target(name: &'static str, run: fn(&[u8])) -> Target {
    Target { name, run }
}

/// All of them.
pub const TARGETS: &[Target] = &[
    target("btf_layout", kernel::btf_layout),
    target("cgroup_path", kernel_text::cgroup_path),
    target("config", config::config),
    target("container_list", metadata::container_list),
    target("cpu_list", kernel_text::cpu_list),
    target("cpu_topology", sysfs::cpu_topology),
    target("cri_answers", metadata::cri_answers),
    target("grpc_requests", grpc_requests::grpc_requests),
    target("hwmon", sysfs::hwmon),
    target("kernel_events", kernel::kernel_events),
    target("meter_v1", meter_v1::meter_v1),
    target("meter_v2", meter_v2::meter_v2),
    target("pod_list", metadata::pod_list),
    target("proc_text", kernel_text::proc_text),
    target("rapl_perf", sysfs::rapl_perf),
    target("rapl_powercap", sysfs::rapl_powercap),
    target("spans", spans::spans),
    target("state", state::state),
    target("trace", trace::trace),
];

/// Runs one case of the target of that name.
///
/// # Panics
/// When a promise is broken, and when there is no such target.
pub fn run(name: &str, data: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name);
    (target.unwrap_or_else(|| panic!("there is no fuzz target {name}")).run)(data);
}
