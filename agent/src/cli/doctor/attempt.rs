//! Tries what the agent will do. What is opened is closed again at once; nothing stays behind.

use std::path::Path;
use std::sync::Arc;

use rustix::fs::{PROC_SUPER_MAGIC, statfs};

use crate::activity::{CgroupId, Topology, read_topology};
use crate::config::{Config, EstimateConfig};
use crate::host::HostRoots;
use crate::identity::CgroupPaths;
use crate::kernel::{Attachment, CounterEvents, CounterState, KernelSide, LoadError, LoadOptions, Sockets};
use crate::source::Zone;
use crate::source::estimate::{Estimate, PowerProfile, cpu_model};
use crate::source::hwmon::Hwmon;
use crate::source::rapl::{self, Tried};

/// `SYSFS_MAGIC` (include/uapi/linux/magic.h).
const SYSFS_MAGIC: u32 = 0x6265_6572;

/// What came of trying.
#[derive(Debug)]
pub struct Attempts {
    /// The kernel programs.
    pub programs: Result<Watching, LoadError>,
    /// The programs that see requests on sockets; `None` where the configuration does not ask for them.
    pub sockets: Option<Result<(), LoadError>>,
    /// RAPL's interfaces in the order in which they were tried; the last one is used, if it works.
    pub rapl: Vec<Tried>,
    /// The zones that hwmon chips measure, each with the files that say so.
    pub hwmon: Vec<(Zone, String)>,
    /// The model that stands in where nothing measures.
    pub estimate: EstimateBasis,
}

/// How the kernel programs ran.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watching {
    /// The way in which context switches are watched.
    pub attachment: Attachment,
    /// What works less well than it could.
    pub shortcomings: Vec<String>,
    /// Whether cycles and instructions are counted.
    pub counters: CounterState,
}

/// What an estimate rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EstimateBasis {
    /// The zones with their power, and what that rests on, for people.
    pub text: String,
    /// What keeps it from resting on what is configured, or speaks against that.
    pub problems: Vec<String>,
    /// What would make it better.
    pub better: String,
}

impl EstimateBasis {
    fn find(config: &EstimateConfig, roots: &HostRoots, topology: &Topology) -> Self {
        let model = cpu_model(roots);
        let (profile, error) = match config.profile_file.as_deref().map(PowerProfile::read).transpose() {
            Ok(profile) => (profile, None),
            Err(error) => (None, Some(error.to_string())),
        };
        let estimate = Estimate::new(config, profile.as_ref(), &model, topology);
        let problems = error.into_iter().chain(estimate.remarks().iter().cloned()).collect();
        let better = match &config.boavizta_url {
            Some(url) if profile.is_none() => {
                format!("{url} is asked when the agent starts, which says what it answers")
            }
            _ => estimate.better(&model),
        };
        Self { text: estimate.describe(), problems, better }
    }
}

impl Attempts {
    /// Tries it on this machine. `None` where the roots are not those of the running kernel: what it would accept says
    /// nothing of the machine that such a tree describes.
    pub fn make(config: &Config, roots: &HostRoots) -> Option<Self> {
        if !is_running_kernels(roots) {
            return None;
        }
        let topology = Arc::new(read_topology(&roots.sysfs).ok()?);
        let hwmon = config.source.hwmon.enabled.then(|| Hwmon::discover(&config.source.hwmon, roots).describe());
        Some(Self {
            programs: load_programs(config, roots, &topology),
            sockets: config.invocation.sockets.then(|| try_sockets(config, roots)),
            rapl: rapl::choose(&config.source.rapl, roots).tried,
            hwmon: hwmon.unwrap_or_default(),
            estimate: EstimateBasis::find(&config.source.estimate, roots, &topology),
        })
    }
}

/// Also of a host whose file systems are mounted elsewhere, as in a container.
fn is_running_kernels(roots: &HostRoots) -> bool {
    let is = |path: &Path, magic: u32| statfs(path).is_ok_and(|found| found.f_type as u32 == magic);
    is(&roots.sysfs, SYSFS_MAGIC) && is(&roots.procfs, PROC_SUPER_MAGIC as u32)
}

fn load_programs(config: &Config, roots: &HostRoots, topology: &Arc<Topology>) -> Result<Watching, LoadError> {
    let options = LoadOptions {
        slots: config.activity.max_consumers,
        btf: config.activity.btf.clone(),
        counters: config.counts_instructions().then(|| CounterEvents::of_processor(&roots.sysfs)),
        ..LoadOptions::default()
    };
    let KernelSide { attachment, shortcomings, counters, .. } = KernelSide::load(topology, &options)?;
    Ok(Watching { attachment, shortcomings, counters })
}

/// Also attaches them for a moment, to the root of the hierarchy.
fn try_sockets(config: &Config, roots: &HostRoots) -> Result<(), LoadError> {
    let mut sockets = Sockets::load(config.activity.btf.as_deref())?;
    let root =
        CgroupPaths::open(roots).folder_of("/").ok_or_else(|| LoadError::Object("no cgroup v2 hierarchy".into()))?;
    sockets.watch(CgroupId::ROOT, &root).map_err(|error| LoadError::Object(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_tried_for_a_tree_that_is_no_file_system_of_the_kernel() {
        let folder = tempfile::tempdir().unwrap();
        let roots = HostRoots { sysfs: folder.path().into(), procfs: folder.path().into(), cgroupfs: None };
        assert!(Attempts::make(&Config::default(), &roots).is_none());
    }
}
