//! What the `power` PMU says about itself in sysfs.

use std::path::Path;
use std::{fs, io};

use crate::activity::parse_cpu_list;
use crate::source::ZoneName;

use super::scale::Scale;

/// The zones by their event's name (arch/x86/events/rapl.c).
const EVENTS: [(&str, ZoneName); 5] = [
    ("energy-pkg", ZoneName::Package),
    ("energy-cores", ZoneName::Core),
    ("energy-gpu", ZoneName::Uncore),
    ("energy-ram", ZoneName::Dram),
    ("energy-psys", ZoneName::Psys),
];

/// One event of the PMU.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct PmuEvent {
    pub(super) zone: ZoneName,
    pub(super) code: u64,
    pub(super) scale: Scale,
}

/// The PMU.
#[derive(Clone, Debug, PartialEq)]
pub struct Pmu {
    pub(super) pmu_type: u32,
    pub(super) events: Vec<PmuEvent>,
}

/// A CPU through which the counters of its package (or die) are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reader {
    /// The package.
    pub package: u32,
    /// The CPU.
    pub cpu: u32,
}

impl Pmu {
    /// Reads `<sysfs>/bus/event_source/devices/power`; the error says what is missing and how to get it.
    pub fn discover(sysfs: &Path) -> Result<Self, String> {
        let root = sysfs.join("bus/event_source/devices/power");
        let type_file = root.join("type");
        let pmu_type = fs::read_to_string(&type_file).map_err(|error| missing_pmu(sysfs, &error))?;
        let pmu_type = pmu_type
            .trim()
            .parse()
            .map_err(|_| format!("{} holds no number: '{}'", type_file.display(), pmu_type.trim()))?;
        let events: Vec<PmuEvent> =
            EVENTS.iter().filter_map(|(name, zone)| read_event(&root.join("events"), name, zone)).collect();
        if !events.iter().any(|event| event.zone == ZoneName::Package) {
            return Err(format!(
                "{} has no event energy-pkg: this is no processor with RAPL, or a virtual machine whose host hides it \
                 (the kernel lists energy-psys without checking that it counts)",
                root.display()
            ));
        }
        Ok(Self { pmu_type, events })
    }
}

/// The CPUs of the PMU's `cpumask`, which is one per package or die, with their packages.
pub fn readers(sysfs: &Path) -> Result<Vec<Reader>, String> {
    let mask = sysfs.join("bus/event_source/devices/power/cpumask");
    let text = fs::read_to_string(&mask).map_err(|error| format!("cannot read {}: {error}", mask.display()))?;
    let cpus =
        parse_cpu_list(&text).ok_or_else(|| format!("{} holds no list of CPUs: '{}'", mask.display(), text.trim()))?;
    let mut readers: Vec<Reader> = cpus
        .into_iter()
        .map(|cpu| {
            let file = sysfs.join(format!("devices/system/cpu/cpu{cpu}/topology/physical_package_id"));
            let package = fs::read_to_string(file).ok().and_then(|text| text.trim().parse().ok());
            Reader { package: package.unwrap_or(0), cpu }
        })
        .collect();
    readers.sort_unstable();
    Ok(readers)
}

fn missing_pmu(sysfs: &Path, error: &io::Error) -> String {
    if error.kind() == io::ErrorKind::NotFound && !sysfs.join("bus").exists() {
        return format!("{} is not sysfs: mount it there, or set host.sysfs (--sysfs) to where it is", sysfs.display());
    }
    format!(
        "no PMU 'power' under {} ({error}): the processor has no RAPL, a virtual machine's host hides it, or the kernel \
         module is missing (try 'modprobe rapl')",
        sysfs.join("bus/event_source/devices").display()
    )
}

/// An event in joules whose code and scale can be understood.
fn read_event(events: &Path, name: &str, zone: &ZoneName) -> Option<PmuEvent> {
    let read = |suffix: &str| fs::read_to_string(events.join(format!("{name}{suffix}"))).ok();
    let code = parse_event_code(&read("")?)?;
    let scale = Scale::parse(&read(".scale")?)?;
    let in_joules = read(".unit").is_none_or(|unit| unit.trim() == "Joules");
    in_joules.then(|| PmuEvent { zone: zone.clone(), code, scale })
}

/// `event=0x02`, where `format/event` is `config:0-7`.
fn parse_event_code(text: &str) -> Option<u64> {
    let value = text.trim().strip_prefix("event=")?;
    match value.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => value.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn event_codes_as_the_kernel_prints_them() {
        assert_eq!(parse_event_code("event=0x02\n"), Some(2));
        assert_eq!(parse_event_code("event=5"), Some(5));
        assert_eq!(parse_event_code("umask=1"), None);
    }
}
