//! The machines that guests see.

use std::path::Path;
use std::process::Command;

use xtask::virtual_machine::Kernel;

/// A kind of machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Machine {
    /// What it is called, here and on the guest's command line.
    pub name: &'static str,
    /// What it is, for people.
    pub title: &'static str,
    /// QEMU's model of the processor.
    processor: &'static str,
    packages: u32,
    energy: Energy,
    /// Whether it has a chip that measures power, whose driver is in generic kernels only.
    pub has_power_chip: bool,
}

/// The registers of energy that a machine has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Energy {
    /// None.
    None,
    /// Those of Intel's processors for desktops.
    Intel,
    /// Those of Intel's servers, whose memory counts 2^-16 J.
    IntelServer,
    /// AMD's.
    Amd,
}

/// Every kind.
pub const MACHINES: &[Machine] = &[
    Machine::new("plain", "no RAPL", "max", 1, Energy::None),
    Machine::new("intel", "Intel", "Haswell", 1, Energy::Intel),
    Machine::new("two-sockets", "Intel, two sockets", "Skylake-Server", 2, Energy::IntelServer),
    Machine::new("amd", "AMD", "EPYC", 1, Energy::Amd),
    Machine { has_power_chip: true, ..Machine::new("power-chip", "LTC4215 on I2C", "max", 1, Energy::None) },
];

/// Processors of a package.
const PROCESSORS: u32 = 2;

impl Machine {
    const fn new(
        name: &'static str,
        title: &'static str,
        processor: &'static str,
        packages: u32,
        energy: Energy,
    ) -> Self {
        Self { name, title, processor, packages, energy, has_power_chip: false }
    }

    /// Whether the kernel is one for such a machine.
    pub fn is_for(&self, kernel: &Kernel) -> bool {
        self.has_power_chip == kernel.is_generic
    }

    /// The kind of that name.
    pub fn find(name: &str) -> Option<&'static Self> {
        MACHINES.iter().find(|machine| machine.name == name)
    }

    /// The modules that its kernel loads, in that order, with their parameters.
    pub(super) fn modules(&self) -> &'static [(&'static str, &'static str)] {
        if self.has_energy() {
            &[("msr", ""), ("iosf_mbi", ""), ("intel_rapl_common", ""), ("intel_rapl_msr", ""), ("rapl", "")]
        } else if self.has_power_chip {
            &[("i2c-stub", "chip_addr=0x48"), ("i2c-dev", ""), ("ltc4215", "")]
        } else {
            &[]
        }
    }

    /// Whether its processor counts energy.
    pub fn has_energy(&self) -> bool {
        self.energy != Energy::None
    }

    /// How many packages it has.
    pub fn packages(&self) -> u32 {
        self.packages
    }

    /// Tells QEMU what the machine is like. Software emulation alone: it is what the plugin works with, and it is
    /// everywhere.
    pub(super) fn describe(&self, qemu: &mut Command, plugin: &Path) {
        let (packages, all) = (self.packages, self.packages * PROCESSORS);
        qemu.args(["-accel", "tcg,thread=multi", "-m", "1024", "-cpu", self.processor]);
        qemu.args(["-smp", &format!("{all},sockets={packages},cores={PROCESSORS}")]);
        if self.has_energy() {
            let memory = if self.energy == Energy::IntelServer { ",dram_unit=16" } else { "" };
            qemu.args(["-plugin", &format!("{},package_cpus={PROCESSORS}{memory}", plugin.display())]);
        }
    }
}
