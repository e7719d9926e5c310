//! Finds out what on this machine measures power.

use std::path::Path;

use super::fact::{self, Fact};

/// What the kernel offers that measures power.
#[derive(Clone, Debug)]
pub struct PowerFacts {
    /// The events of the `power` PMU, for example `energy-pkg`.
    pub pmu: Fact<Vec<String>>,
    /// The RAPL zones under `/sys/class/powercap`.
    pub powercap: Fact<Vec<PowercapZone>>,
    /// The chips under `/sys/class/hwmon` that measure power, energy or current.
    pub hwmon: Fact<Vec<Chip>>,
}

/// One RAPL zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PowercapZone {
    /// Its name, for example `package-0`.
    pub name: String,
    /// Why its counter cannot be read; `None` where it can.
    pub unreadable: Option<String>,
}

/// One chip.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chip {
    /// Its name, for example `ina3221`.
    pub name: String,
    /// How many inputs for power, energy or current it has.
    pub inputs: usize,
}

impl PowerFacts {
    pub(super) fn collect(sysfs: &Path) -> Self {
        Self {
            pmu: fact::names(&sysfs.join("bus/event_source/devices/power/events")).then(|names| {
                let is_event = |name: &String| name.starts_with("energy-") && !name.contains('.');
                some(names.into_iter().filter(is_event).collect())
            }),
            powercap: powercap(&sysfs.join("class/powercap")),
            hwmon: hwmon(&sysfs.join("class/hwmon")),
        }
    }
}

fn some<T>(found: Vec<T>) -> Fact<Vec<T>> {
    if found.is_empty() { Fact::Absent } else { Fact::Is(found) }
}

fn powercap(class: &Path) -> Fact<Vec<PowercapZone>> {
    fact::names(class).then(|names| {
        let zones = names.iter().filter(|name| name.starts_with("intel-rapl") && name.contains(':')).map(|folder| {
            let folder = class.join(folder);
            let unreadable = match fact::value::<u64>(&folder.join("energy_uj")) {
                Fact::Is(_) => None,
                Fact::Absent => Some("it has no energy_uj".into()),
                Fact::Unknown(why) => Some(why),
            };
            let name = fact::text(&folder.join("name")).known().cloned();
            PowercapZone { name: name.unwrap_or_else(|| folder.display().to_string()), unreadable }
        });
        some(zones.collect())
    })
}

fn hwmon(class: &Path) -> Fact<Vec<Chip>> {
    fact::names(class).then(|folders| {
        let chips = folders.iter().filter_map(|folder| {
            // The ACPI power meter keeps its files under `device` (drivers/hwmon/acpi_power_meter.c).
            let places = [class.join(folder), class.join(folder).join("device")];
            let count = |place: &Path| {
                fact::names(place).known().map_or(0, |files| files.iter().filter(|file| measures(file)).count())
            };
            let inputs = places.iter().map(|place| count(place)).max().unwrap_or(0);
            let name = places.iter().find_map(|place| fact::text(&place.join("name")).known().cloned());
            (inputs > 0).then(|| Chip { name: name.unwrap_or_else(|| folder.clone()), inputs })
        });
        some(chips.collect())
    })
}

/// Whether a file of a chip is an input for power, energy or current
/// (<https://docs.kernel.org/hwmon/sysfs-interface.html>).
fn measures(file: &str) -> bool {
    let numbered = |prefix: &str, suffix: &str| {
        let number = file.strip_prefix(prefix).and_then(|rest| rest.strip_suffix(suffix));
        number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
    };
    numbered("power", "_input")
        || numbered("power", "_average")
        || numbered("energy", "_input")
        || numbered("curr", "_input")
}
