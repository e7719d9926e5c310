//! The registers that are answered: Intel's (Software Developer's Manual, volume 4) and AMD's (Processor Programming
//! Reference of family 17h).

use std::sync::OnceLock;

use crate::energy::{self, PARTS, Part};

/// Units of the registers: energy counts 2^-14 J (61 µJ), as from Haswell on; power 2^-3 W, time 2^-10 s.
const UNITS: u64 = 0x000A_0E03;
const ENERGY_UNIT: u32 = 14;

const INTEL_UNITS: u32 = 0x606;
const INTEL_PACKAGE: u32 = 0x611;
const INTEL_MEMORY: u32 = 0x619;
const INTEL_CORES: u32 = 0x639;
const AMD_UNITS: u32 = 0xC001_0299;
const AMD_CORE: u32 = 0xC001_029A;
const AMD_PACKAGE: u32 = 0xC001_029B;

/// For the test in the guest: what the processor's package has drawn since the beginning, in microjoules; the cores' and
/// the memory's follow.
const DRAWN: u32 = 0x5052_4F00;
/// For the test in the guest: reading it puts all counters a little before their next wrap.
const REWIND: u32 = 0x5052_4F10;

static MEMORY_UNIT: OnceLock<u32> = OnceLock::new();

/// Memory counts 2^-`unit` J: set once, before any processor runs.
pub(crate) fn set_memory_unit(unit: u32) {
    // A second call would be QEMU's mistake; the first holds.
    let _ = MEMORY_UNIT.set(unit.min(31));
}

fn unit(part: Part) -> u32 {
    let memory = || MEMORY_UNIT.get().copied().unwrap_or(ENERGY_UNIT);
    if part == Part::Memory { memory() } else { ENERGY_UNIT }
}

/// What a processor of this package reads in the register; none where it is not one of these.
pub(crate) fn read(number: u32, package: usize) -> Option<u64> {
    let counter = |part| Some(u64::from(energy::register(package, part, unit(part))));
    match number {
        INTEL_UNITS | AMD_UNITS => Some(UNITS),
        INTEL_PACKAGE | AMD_PACKAGE => counter(Part::Package),
        INTEL_CORES | AMD_CORE => counter(Part::Cores),
        INTEL_MEMORY => counter(Part::Memory),
        REWIND => {
            energy::rewind(unit);
            Some(0)
        }
        _ => {
            let part = PARTS.get(number.checked_sub(DRAWN)? as usize)?;
            Some((energy::drawn(package, *part) * 1e6) as u64)
        }
    }
}
