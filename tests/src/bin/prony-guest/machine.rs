//! Making the machine usable: file systems and modules.

use std::ffi::CString;
use std::fs::{self, File};
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use prony_tests::vm::{Machine, guest};
use rustix::io::Errno;
use rustix::mount::{MountFlags, mount};
use rustix::system::finit_module;

/// Type and place of what is mounted.
const MOUNTS: [(&str, &str); 7] = [
    ("proc", "/proc"),
    ("sysfs", "/sys"),
    ("devtmpfs", "/dev"),
    ("cgroup2", "/sys/fs/cgroup"),
    ("bpf", "/sys/fs/bpf"),
    ("tracefs", "/sys/kernel/tracing"),
    ("tmpfs", "/tmp"),
];
/// `MODULE_INIT_COMPRESSED_FILE` (include/uapi/linux/module.h): the kernel unpacks it.
const COMPRESSED: i32 = 4;

/// Mounts what a system has.
pub(crate) fn mount_all() -> Result<()> {
    for (kind, place) in MOUNTS {
        mount(kind, place, kind, MountFlags::empty(), None).with_context(|| format!("cannot mount {place}"))?;
    }
    Ok(())
}

/// The kind of machine, as the host says on the kernel's command line.
pub(crate) fn kind() -> Result<&'static Machine> {
    let line = fs::read_to_string("/proc/cmdline")?;
    let name = line.split_whitespace().find_map(|word| word.strip_prefix("prony.machine="));
    name.and_then(Machine::find).with_context(|| format!("no kind of machine in '{line}'"))
}

/// Loads the modules; one that finds no device of its own, or needs another that did not, is not needed here.
pub(crate) fn load_modules() -> Result<String> {
    let order = fs::read_to_string(guest::MODULE_ORDER).context("no order of modules")?;
    let mut loaded = Vec::new();
    for (name, parameters) in order.lines().filter_map(|line| line.split_once(' ')) {
        let file = Path::new(guest::MODULES).join(name);
        let flags = if file.extension().is_some_and(|extension| extension == "ko") { 0 } else { COMPRESSED };
        match finit_module(File::open(file)?, &CString::new(parameters)?, flags) {
            Ok(()) => loaded.push(name.split('.').next().unwrap_or(name)),
            Err(Errno::NODEV | Errno::NOENT) => {}
            Err(error) => bail!("{name}: {error}"),
        }
    }
    Ok(if loaded.is_empty() { "none are needed".to_owned() } else { loaded.join(", ") })
}
