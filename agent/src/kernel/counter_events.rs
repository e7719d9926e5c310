//! Which events the counters on a CPU are of.

use std::path::Path;

use crate::activity::parse_cpu_list;

/// `PERF_TYPE_HARDWARE` (`include/uapi/linux/perf_event.h`): events that the kernel knows by one number on all processors.
const HARDWARE: u32 = 0;
/// `PERF_COUNT_HW_CPU_CYCLES`.
const CYCLES: u64 = 0;
/// `PERF_COUNT_HW_INSTRUCTIONS`.
const INSTRUCTIONS: u64 = 1;
/// `PERF_PMU_TYPE_SHIFT`: above it, an event has the type of the PMU that it is meant for. Kernel 5.13.
const PMU_TYPE_SHIFT: u32 = 32;

/// The events that are counted on every CPU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CounterEvents {
    pub(super) pmu_type: u32,
    cycles: u64,
    instructions: u64,
    /// PMUs of some CPUs only: their types, and which CPUs.
    of_some: Vec<(u32, Vec<u32>)>,
}

impl CounterEvents {
    /// Cycles and instructions. Where a processor has cores of several kinds with a PMU each (`cpu_core`, `cpu_atom`),
    /// each CPU's own is taken.
    pub fn of_processor(sysfs: &Path) -> Self {
        let devices = std::fs::read_dir(sysfs.join("bus/event_source/devices")).into_iter().flatten().flatten();
        let of_some = devices.filter(|device| device.file_name().to_string_lossy().starts_with("cpu_"));
        let of_some = of_some.filter_map(|device| {
            let text = |name| std::fs::read_to_string(device.path().join(name)).ok();
            Some((text("type")?.trim().parse().ok()?, parse_cpu_list(&text("cpus")?)?))
        });
        Self { pmu_type: HARDWARE, cycles: CYCLES, instructions: INSTRUCTIONS, of_some: of_some.collect() }
    }

    /// Other events of one PMU in the place of cycles and instructions.
    pub fn instead(pmu_type: u32, cycles: u64, instructions: u64) -> Self {
        Self { pmu_type, cycles, instructions, of_some: Vec::new() }
    }

    /// The codes of both on a CPU.
    pub(super) fn codes(&self, cpu: u32) -> [u64; 2] {
        let own = self.of_some.iter().find(|(_, cpus)| cpus.contains(&cpu)).map_or(0, |(pmu, _)| *pmu);
        [self.cycles, self.instructions].map(|event| event | u64::from(own) << PMU_TYPE_SHIFT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cpu_of_a_hybrid_processor_has_its_own_pmus_events() {
        let sysfs = tempfile::tempdir().unwrap();
        let pmus: [(&str, &str, Option<&str>); 4] = [
            ("cpu_core", "4\n", Some("0-3\n")),
            ("cpu_atom", "10\n", Some("4-7\n")),
            ("software", "1\n", None),
            ("power", "23\n", None),
        ];
        for (name, pmu_type, cpus) in pmus {
            let device = sysfs.path().join("bus/event_source/devices").join(name);
            std::fs::create_dir_all(&device).unwrap();
            std::fs::write(device.join("type"), pmu_type).unwrap();
            if let Some(cpus) = cpus {
                std::fs::write(device.join("cpus"), cpus).unwrap();
            }
        }
        let events = CounterEvents::of_processor(sysfs.path());
        assert_eq!(events.codes(2), [4 << 32, 4 << 32 | 1]);
        assert_eq!(events.codes(5), [10 << 32, 10 << 32 | 1]);
        assert_eq!(events.codes(8), [0, 1]);
    }

    #[test]
    fn a_processor_of_one_kind_has_plain_events() {
        let sysfs = tempfile::tempdir().unwrap();
        let events = CounterEvents::of_processor(sysfs.path());
        assert_eq!((events.pmu_type, events.codes(0)), (0, [0, 1]));
    }
}
