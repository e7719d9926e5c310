//! The RAPL zones below `/sys/class/powercap`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::source::{CounterRange, Zone, ZoneName};
use crate::units::Microjoules;

/// The drivers that show RAPL zones, the one that wins first: `intel-rapl` is the MSR's or TPMI's, AMD's too;
/// `intel-rapl-mmio` shows the very same counters through another window (`drivers/powercap/intel_rapl_*.c`).
const CONTROL_TYPES: [&str; 2] = ["intel-rapl", "intel-rapl-mmio"];

/// What `max_energy_range_uj` is where it cannot be read: 2^32 - 1 counts of 61 µJ, the unit of most processors.
const USUAL_RANGE: Microjoules = Microjoules(262_143_328_850);

/// How deep folders lie within each other: a control type, a package, a zone of it.
const LEVELS: u8 = 3;

/// One counter of a zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Device {
    /// Its folder.
    pub(super) path: PathBuf,
    pub(super) range: CounterRange,
}

/// The zones, each with its counters in a stable order: one, or one per die.
pub(super) type Devices = BTreeMap<Zone, Vec<Device>>;

/// Finds the zones below `<sysfs>/class/powercap`. `amd` says whose processor it is: AMD's `core` zone counts a single
/// core (MSR 0xC001029A is per core, read on the package's lead CPU), so it is left out.
///
/// # Errors
/// Where the folder cannot be listed.
pub(super) fn discover(sysfs: &Path, amd: bool) -> io::Result<Devices> {
    let mut folders = BTreeMap::new();
    collect(&sysfs.join("class/powercap"), LEVELS, &mut folders)?;
    let mut zones = Devices::new();
    for control_type in CONTROL_TYPES {
        let mut shown = Devices::new();
        for (name, path) in &folders {
            if name.split(':').next() != Some(control_type) {
                continue;
            }
            let Some(zone) = zone_of(&folders, name) else { continue };
            if amd && zone.name == ZoneName::Core {
                continue;
            }
            let max = read_number(&path.join("max_energy_range_uj")).unwrap_or(USUAL_RANGE);
            let device = Device { path: path.clone(), range: CounterRange::WrapsAfter(max) };
            shown.entry(zone).or_default().push(device);
        }
        for (zone, devices) in shown {
            zones.entry(zone).or_insert(devices);
        }
    }
    Ok(zones)
}

/// Gathers the folders of all zones by name, whether they lie side by side (as the kernel's class folder shows them) or
/// within each other and their control type (as its device folder does).
fn collect(folder: &Path, levels: u8, folders: &mut BTreeMap<String, PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        let control_type = name.split(':').next().unwrap_or_default();
        if !CONTROL_TYPES.contains(&control_type) || !entry.path().is_dir() {
            continue;
        }
        if levels > 0 {
            collect(&entry.path(), levels - 1, folders)?;
        }
        if name.contains(':') {
            folders.entry(name).or_insert_with(|| entry.path());
        }
    }
    Ok(())
}

/// The zone that a folder is of; `None` for zones of other kinds and folders without a readable name.
fn zone_of(folders: &BTreeMap<String, PathBuf>, folder: &str) -> Option<Zone> {
    let read_name = |folder: &str| {
        let name = fs::read_to_string(folders.get(folder)?.join("name")).ok()?;
        Some(name.trim().to_owned())
    };
    let name = read_name(folder)?;
    if folder.matches(':').count() == 1 {
        return top_zone(&name);
    }
    let zone = match name.as_str() {
        "core" => ZoneName::Core,
        "uncore" => ZoneName::Uncore,
        "dram" => ZoneName::Dram,
        _ => return None,
    };
    let mut outermost = folder.match_indices(':').map(|(at, _)| at).skip(1);
    let socket = top_zone(&read_name(&folder[..outermost.next()?])?)?.socket;
    Some(Zone { name: zone, socket })
}

/// `package-N`, `package-N-die-M`, `psys` or `psys-N` (`drivers/powercap/intel_rapl_common.c`).
fn top_zone(name: &str) -> Option<Zone> {
    if name == "psys" {
        return Some(Zone { name: ZoneName::Psys, socket: None });
    }
    if let Some(socket) = name.strip_prefix("psys-") {
        return Some(Zone { name: ZoneName::Psys, socket: Some(socket.parse().ok()?) });
    }
    let rest = name.strip_prefix("package-")?;
    let socket = rest.split_once("-die-").map_or(rest, |(socket, _)| socket);
    Some(Zone { name: ZoneName::Package, socket: Some(socket.parse().ok()?) })
}

fn read_number(file: &Path) -> Option<Microjoules> {
    fs::read_to_string(file).ok()?.trim().parse().ok().filter(|&number| number > 0).map(Microjoules)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn top_zones_are_sockets_or_the_platform() {
        let of = |name| top_zone(name).map(|zone| zone.to_string());
        assert_eq!(of("package-1").as_deref(), Some("package-1"));
        assert_eq!(of("package-0-die-3").as_deref(), Some("package-0"));
        assert_eq!(of("psys").as_deref(), Some("psys"));
        assert_eq!(of("psys-1").as_deref(), Some("psys-1"));
        for name in ["", "package-", "package-x", "dram", "package-0-die"] {
            assert_eq!(of(name), None, "{name}");
        }
    }
}
