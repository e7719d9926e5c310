//! Which machine the kernel object is for.

use std::env;

use anyhow::{Context as _, Result, bail};

/// Which machine the kernel object is for: the byte order of the object, and the layout of the registers that its
/// programs read, are that machine's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    arch: String,
    big_endian: bool,
}

impl Target {
    /// This machine.
    pub fn host() -> Self {
        Self { arch: env::consts::ARCH.to_owned(), big_endian: cfg!(target_endian = "big") }
    }

    /// The machine that the crate of the running build script is built for.
    ///
    /// # Errors
    /// Outside a build script.
    pub fn of_build_script() -> Result<Self> {
        let variable = |name| env::var(name).with_context(|| format!("{name} is not set: call this in a build script"));
        let big_endian = match variable("CARGO_CFG_TARGET_ENDIAN")?.as_str() {
            "little" => false,
            "big" => true,
            other => bail!("CARGO_CFG_TARGET_ENDIAN is {other}, which is neither little nor big"),
        };
        Ok(Self { arch: variable("CARGO_CFG_TARGET_ARCH")?, big_endian })
    }

    /// The compiler's name for the kernel's virtual machine in that byte order.
    pub fn triple(&self) -> &'static str {
        if self.big_endian { "bpfeb-unknown-none" } else { "bpfel-unknown-none" }
    }

    /// The architecture as aya-ebpf's `bpf_target_arch` has it.
    pub fn bpf_target_arch(&self) -> &str {
        if self.arch.starts_with("riscv64") { "riscv64" } else { &self.arch }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_object_has_the_byte_order_of_its_machine() {
        let arm = Target { arch: "aarch64".into(), big_endian: false };
        assert_eq!((arm.triple(), arm.bpf_target_arch()), ("bpfel-unknown-none", "aarch64"));
        let mainframe = Target { arch: "s390x".into(), big_endian: true };
        assert_eq!((mainframe.triple(), mainframe.bpf_target_arch()), ("bpfeb-unknown-none", "s390x"));
    }

    #[test]
    fn every_riscv64_is_one_for_aya() {
        assert_eq!(Target { arch: "riscv64gc".into(), big_endian: false }.bpf_target_arch(), "riscv64");
    }
}
