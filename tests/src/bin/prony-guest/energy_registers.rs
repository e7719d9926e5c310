//! The registers that QEMU's plugin has for this program (`tests/rapl-plugin/src/registers.rs`).

use std::fs::File;
use std::os::unix::fs::FileExt as _;

use anyhow::{Context as _, Result};

const DRAWN: u64 = 0x5052_4F00;
const REWIND: u64 = 0x5052_4F10;
/// Of each package.
const PROCESSORS: u32 = 2;

/// What a part of a package has drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Drawn {
    pub(crate) package: f64,
    pub(crate) memory: f64,
}

/// Joules that a package has drawn since the machine was switched on.
pub(crate) fn drawn(package: u32) -> Result<Drawn> {
    let joules = |part| Ok::<_, anyhow::Error>(read(package, DRAWN + part)? as f64 / 1e6);
    Ok(Drawn { package: joules(0)?, memory: joules(2)? })
}

/// Puts all counters 60 J before their next wrap.
pub(crate) fn rewind() -> Result<()> {
    read(0, REWIND).map(drop)
}

fn read(package: u32, register: u64) -> Result<u64> {
    let path = format!("/dev/cpu/{}/msr", package * PROCESSORS);
    let file = File::open(&path).with_context(|| format!("cannot open {path}"))?;
    let mut value = [0; 8];
    file.read_exact_at(&mut value, register).with_context(|| format!("cannot read {register:#x} of {path}"))?;
    Ok(u64::from_le_bytes(value))
}
