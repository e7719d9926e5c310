//! A sysfs whose RAPL counters a test moves.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt as _, symlink};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use tempfile::TempDir;

/// Digits of a counter. They lie in one aligned word of the file, so that a reader sees all of a value or all of
/// another, never some digits of each.
const DIGITS: usize = 8;

/// A zone of the first socket, as `drivers/powercap/intel_rapl_common.c` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Zone {
    /// A processor package.
    Package,
    /// Its cores.
    Core,
    /// What is on it beside cores.
    Uncore,
    /// Its memory.
    Dram,
}

impl Zone {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Package, Self::Core, Self::Uncore, Self::Dram];

    /// The value of the metrics' label `zone`.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Package => "package",
            Self::Core => "core",
            Self::Uncore => "uncore",
            Self::Dram => "dram",
        }
    }

    const fn folder(self) -> &'static str {
        match self {
            Self::Package => "intel-rapl:0",
            Self::Core => "intel-rapl:0:0",
            Self::Uncore => "intel-rapl:0:1",
            Self::Dram => "intel-rapl:0:2",
        }
    }

    const fn driver_name(self) -> &'static str {
        match self {
            Self::Package => "package-0",
            Self::Core => "core",
            Self::Uncore => "uncore",
            Self::Dram => "dram",
        }
    }
}

/// A folder for `--sysfs` with RAPL zones in `class/powercap`, and this machine's own CPUs. The agent finds no other
/// meter there.
#[derive(Debug)]
pub struct FakeRapl {
    root: TempDir,
}

impl FakeRapl {
    /// The value after which every counter begins again at zero, in microjoules.
    pub const RANGE: u64 = 65_532_610;

    /// All zones at zero.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn new() -> Result<Self> {
        let root = tempfile::tempdir()?;
        symlink("/sys/devices", root.path().join("devices"))?;
        let rapl = Self { root };
        for zone in Zone::ALL {
            rapl.add(zone, 0)?;
        }
        Ok(rapl)
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        self.root.path()
    }

    /// The arguments that make the agent read it.
    pub fn arguments(&self) -> [&str; 2] {
        ["--sysfs", self.root.path().to_str().unwrap_or_default()]
    }

    /// The zones that the agent reads on this machine: on AMD's processors `core` counts one core only, and is left out.
    ///
    /// # Errors
    /// When `/proc/cpuinfo` cannot be read.
    pub fn zones() -> Result<Vec<Zone>> {
        let amd = fs::read_to_string("/proc/cpuinfo")?.contains("AuthenticAMD");
        Ok(Zone::ALL.into_iter().filter(|zone| !(amd && *zone == Zone::Core)).collect())
    }

    /// Makes a zone's folder anew.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn add(&self, zone: Zone, energy: u64) -> Result<()> {
        let folder = self.folder(zone);
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("name"), format!("{}\n", zone.driver_name()))?;
        fs::write(folder.join("max_energy_range_uj"), format!("{}\n", Self::RANGE))?;
        fs::write(folder.join("energy_uj"), format!("{energy:016}\n"))?;
        Ok(())
    }

    /// Takes a zone's folder away.
    ///
    /// # Errors
    /// When it is not there.
    pub fn remove(&self, zone: Zone) -> Result<()> {
        fs::remove_dir_all(self.folder(zone)).with_context(|| format!("no zone {}", zone.label()))
    }

    /// Lets a counter show this many microjoules. The agent may read it at the same time.
    ///
    /// # Errors
    /// When the zone is not there, or the value is beyond the range.
    pub fn set(&self, zone: Zone, energy: u64) -> Result<()> {
        ensure!(energy <= Self::RANGE, "{energy} is beyond the counter's range");
        let text = format!("{energy:016}");
        let low = text.len() - DIGITS;
        let file = File::options().write(true).open(self.energy_file(zone))?;
        Ok(file.write_all_at(&text.as_bytes()[low..], low as u64)?)
    }

    /// The file that shows a zone's energy.
    pub fn energy_file(&self, zone: Zone) -> PathBuf {
        self.folder(zone).join("energy_uj")
    }

    fn folder(&self, zone: Zone) -> PathBuf {
        self.root.path().join("class/powercap").join(zone.folder())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_shows_what_it_is_set_to() {
        let rapl = FakeRapl::new().unwrap();
        let shown = || fs::read_to_string(rapl.energy_file(Zone::Dram)).unwrap().trim().parse::<u64>().unwrap();
        assert_eq!(shown(), 0);
        for energy in [7, FakeRapl::RANGE, 0] {
            rapl.set(Zone::Dram, energy).unwrap();
            assert_eq!(shown(), energy);
        }
        assert!(rapl.set(Zone::Dram, FakeRapl::RANGE + 1).is_err());
        rapl.remove(Zone::Dram).unwrap();
        assert!(rapl.set(Zone::Dram, 1).is_err());
        assert!(rapl.path().join("devices/system/cpu/possible").exists());
    }
}
