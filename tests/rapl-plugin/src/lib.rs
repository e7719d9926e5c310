//! A QEMU plugin that answers the guest's reads of the processor's energy registers (RAPL), which QEMU's software
//! emulation answers with 0. The guest's kernel, unchanged, then finds RAPL and counts energy that follows what its
//! processors do.
//!
//! Loaded with `-plugin FILE,package_cpus=N`: N virtual processors make a package (all of them by default). With
//! `dram_unit=16` memory counts 2^-16 J, as servers do; else it counts as the rest.
//!
//! Three registers are of no processor and are for the test inside the guest, which reads them through `/dev/cpu/N/msr`:
//! see [`registers`].

mod energy;
mod processors;
mod qemu;
mod registers;
