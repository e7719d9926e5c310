//! The node's CPUs as `/proc/cpuinfo` describes them.
//!
//! What the file holds depends on the architecture (arch/x86/kernel/cpu/proc.c, arch/arm64/kernel/cpuinfo.c,
//! arch/arm/kernel/setup.c). On ARM it names neither vendor nor package nor core: the vendor is told from the
//! implementer code of the main ID register, the place from sysfs.

use std::fs;
use std::path::Path;

use crate::host::HostRoots;

/// What does not change while the agent runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeFacts {
    /// The node's name: as configured, else as the variable `NODE_NAME` says, else the host name.
    pub name: String,
    /// The CPUs, in order.
    pub cpus: Vec<CpuFacts>,
}

/// One CPU as `/proc/cpuinfo` describes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CpuFacts {
    /// Its number.
    pub processor: u32,
    /// `vendor_id`; on ARM the implementer's name. Empty where it is not known.
    pub vendor: String,
    /// `model name`; where there is none, the part number. Empty where it is not known.
    pub model: String,
    /// `physical id`.
    pub package: u32,
    /// `core id`.
    pub core: u32,
}

impl NodeFacts {
    /// Reads `cpuinfo` below `roots.procfs`, and below `roots.sysfs` what it does not say. What cannot be read stays
    /// empty: these are labels only.
    pub fn read(name: String, roots: &HostRoots) -> Self {
        let text = fs::read(roots.procfs.join("cpuinfo")).unwrap_or_default();
        let cpus = parse(&String::from_utf8_lossy(&text), |cpu, fact| topology(&roots.sysfs, cpu, fact));
        Self { name, cpus }
    }
}

/// A number below `devices/system/cpu/cpuN/topology`; the kernel says -1 where the firmware does not tell.
fn topology(sysfs: &Path, cpu: u32, fact: &str) -> Option<u32> {
    let file = sysfs.join(format!("devices/system/cpu/cpu{cpu}/topology/{fact}"));
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

fn parse(text: &str, topology: impl Fn(u32, &str) -> Option<u32>) -> Vec<CpuFacts> {
    let mut cpus: Vec<Fields> = Vec::new();
    // 32-bit ARM kernels before 3.8 name the model once, above all CPUs, as "Processor".
    let mut common_model = "";
    for (key, value) in text.lines().filter_map(|line| line.split_once(':')) {
        let (key, value) = (key.trim(), value.trim());
        match key {
            "processor" => cpus.extend(value.parse().ok().map(|processor| Fields { processor, ..Fields::default() })),
            "Processor" => common_model = value,
            _ => {
                if let Some(cpu) = cpus.last_mut() {
                    cpu.set(key, value);
                }
            }
        }
    }
    cpus.into_iter().map(|cpu| cpu.into_facts(common_model, &topology)).collect()
}

#[derive(Default)]
struct Fields<'text> {
    processor: u32,
    vendor: &'text str,
    model: &'text str,
    implementer: &'text str,
    part: &'text str,
    package: Option<u32>,
    core: Option<u32>,
}

impl<'text> Fields<'text> {
    fn set(&mut self, key: &str, value: &'text str) {
        match key {
            "vendor_id" => self.vendor = value,
            "model name" | "Model Name" => self.model = value,
            "CPU implementer" => self.implementer = value,
            "CPU part" => self.part = value,
            "physical id" => self.package = value.parse().ok(),
            "core id" => self.core = value.parse().ok(),
            _ => {}
        }
    }

    fn into_facts(self, common_model: &str, topology: impl Fn(u32, &str) -> Option<u32>) -> CpuFacts {
        let number = |known: Option<u32>, fact| known.or_else(|| topology(self.processor, fact)).unwrap_or(0);
        CpuFacts {
            processor: self.processor,
            vendor: if self.vendor.is_empty() { implementer_name(self.implementer) } else { self.vendor.into() },
            model: match (self.model, common_model, self.part) {
                ("", "", "") => String::new(),
                ("", "", part) => format!("part {part}"),
                ("", common, _) => common.into(),
                (model, ..) => model.into(),
            },
            package: number(self.package, "physical_package_id"),
            core: number(self.core, "core_id"),
        }
    }
}

/// MIDR implementer codes (Arm Architecture Reference Manual, `MIDR_EL1`; arch/arm64/include/asm/cputype.h).
fn implementer_name(code: &str) -> String {
    match code {
        "0x41" => "ARM",
        "0x42" => "Broadcom",
        "0x43" => "Cavium",
        "0x46" => "Fujitsu",
        "0x48" => "HiSilicon",
        "0x4e" => "NVIDIA",
        "0x50" => "APM",
        "0x51" => "Qualcomm",
        "0x53" => "Samsung",
        "0x61" => "Apple",
        "0x6d" => "Microsoft",
        "0xc0" => "Ampere",
        unknown => unknown,
    }
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn no_topology(_: u32, _: &str) -> Option<u32> {
        None
    }

    #[test]
    fn x86_says_everything_itself() {
        let text = "processor\t: 0\nvendor_id\t: GenuineIntel\nmodel name\t: Intel(R) Xeon(R) CPU @ 2.10GHz\n\
                    physical id\t: 1\ncore id\t\t: 5\nflags\t: a: b\npower management:\n\n\
                    processor\t: 1\nvendor_id\t: GenuineIntel\nmodel name\t: Intel(R) Xeon(R) CPU @ 2.10GHz\n\
                    physical id\t: 1\ncore id\t\t: 6\n";
        let cpus = parse(text, no_topology);
        assert_eq!(cpus.len(), 2);
        assert_eq!(
            cpus[0],
            CpuFacts {
                processor: 0,
                vendor: "GenuineIntel".into(),
                model: "Intel(R) Xeon(R) CPU @ 2.10GHz".into(),
                package: 1,
                core: 5
            }
        );
        assert_eq!((cpus[1].processor, cpus[1].core), (1, 6));
    }

    #[test]
    fn arm64_takes_the_rest_from_sysfs() {
        let text = "processor\t: 0\nBogoMIPS\t: 108.00\nFeatures\t: fp asimd\nCPU implementer\t: 0x41\n\
                    CPU architecture: 8\nCPU part\t: 0xd08\n\nprocessor\t: 1\nCPU implementer\t: 0x99\n\n\
                    Hardware\t: BCM2835\nModel\t\t: Raspberry Pi 4 Model B Rev 1.4\n";
        let cpus = parse(text, |cpu, fact| (fact == "core_id").then_some(cpu + 10));
        assert_eq!(
            cpus[0],
            CpuFacts { processor: 0, vendor: "ARM".into(), model: "part 0xd08".into(), package: 0, core: 10 }
        );
        assert_eq!(
            cpus[1],
            CpuFacts { processor: 1, vendor: "0x99".into(), model: String::new(), package: 0, core: 11 }
        );
    }

    #[test]
    fn old_arm_kernels_name_the_model_once() {
        let text = "Processor\t: ARMv7 Processor rev 3 (v7l)\nprocessor\t: 0\nBogoMIPS\t: 84.00\n\nprocessor\t: 1\n";
        let cpus = parse(text, no_topology);
        assert_eq!(cpus.len(), 2);
        assert_eq!(cpus[1].model, "ARMv7 Processor rev 3 (v7l)");
    }

    #[test]
    fn without_the_file_there_are_no_facts_but_the_name() {
        let empty = tempfile::tempdir().unwrap();
        let roots = HostRoots { procfs: empty.path().into(), sysfs: empty.path().into(), cgroupfs: None };
        assert_eq!(NodeFacts::read("node-1".into(), &roots), NodeFacts { name: "node-1".into(), cpus: Vec::new() });
    }

    #[test]
    fn topology_of_minus_one_is_unknown() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("devices/system/cpu/cpu3/topology");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("physical_package_id"), "-1\n").unwrap();
        fs::write(folder.join("core_id"), "2\n").unwrap();
        assert_eq!(topology(root.path(), 3, "physical_package_id"), None);
        assert_eq!(topology(root.path(), 3, "core_id"), Some(2));
    }
}
