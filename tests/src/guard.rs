//! Saying that a test cannot run here. Each guard returns the reason, with what would help.

use std::env;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;

/// The file that tests write their skips to, for `cargo xtask test`.
const SKIP_LOG: &str = "PRONY_SKIP_LOG";
/// The agent's binary.
pub(crate) const AGENT: &str = "PRONY_BIN";

/// `CAP_SYS_ADMIN`, `CAP_PERFMON` and `CAP_BPF` (include/uapi/linux/capability.h).
const SYS_ADMIN: u32 = 21;
const PERFMON: u32 = 38;
const BPF: u32 = 39;

/// Says that a test cannot run here, and why. The test returns after it; it is counted as skipped, not as passed.
///
/// # Panics
/// When the list of skipped tests cannot be written: a skip must not pass silently.
pub fn skip(test: &str, reason: &str) {
    let line = format!("{test}: {}\n", reason.replace('\n', " "));
    eprint!("skipped: {line}");
    if let Some(path) = env::var_os(SKIP_LOG) {
        let written =
            File::options().create(true).append(true).open(&path).and_then(|mut log| log.write_all(line.as_bytes()));
        written.unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()));
    }
}

/// Root, for tests that make cgroups.
pub fn needs_root() -> Option<String> {
    (!rustix::process::geteuid().is_root()).then(|| "not root: run `sudo -E cargo xtask test`".to_owned())
}

/// A kernel that lets this process load programs and attach them to tracepoints.
pub fn needs_bpf() -> Option<String> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let has = effective_capabilities(&status);
    let may = |capability: u32| has & (1 << capability) != 0;
    if !(may(SYS_ADMIN) || may(BPF) && may(PERFMON)) {
        return Some("no CAP_BPF and CAP_PERFMON: run `sudo -E cargo xtask test`".to_owned());
    }
    let lockdown = fs::read_to_string("/sys/kernel/security/lockdown").unwrap_or_default();
    if lockdown.contains("[confidentiality]") {
        return Some("the kernel is locked down (confidentiality): boot without lockdown=confidentiality".to_owned());
    }
    (!Path::new("/sys/kernel/btf/vmlinux").exists())
        .then(|| "no /sys/kernel/btf/vmlinux: needs a kernel with CONFIG_DEBUG_INFO_BTF=y".to_owned())
}

/// The agent's binary, in the variable `PRONY_BIN`.
pub fn needs_agent() -> Option<String> {
    env::var_os(AGENT).is_none().then(|| format!("{AGENT} is not set: `cargo xtask test` builds the agent and sets it"))
}

/// A server of the table in `xtask::servers`, on `PATH` or fetched by `cargo xtask test --install`.
pub fn needs_server(binary: &str) -> Option<String> {
    xtask::servers::find(binary).err()
}

/// The line `CapEff` of `/proc/PID/status`, see `proc_pid_status(5)`; none where it is missing.
fn effective_capabilities(status: &str) -> u64 {
    status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))
        .and_then(|set| u64::from_str_radix(set.trim(), 16).ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_effective_capabilities() {
        assert_eq!(effective_capabilities("CapPrm:\t00000000000000ff\nCapEff:\t000001ffffffffff\n"), 0x1ff_ffff_ffff);
        assert_eq!(effective_capabilities("Name:\tsh\n"), 0);
    }
}
