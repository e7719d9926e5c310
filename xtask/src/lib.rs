//! What `cargo xtask` is made of, as far as build scripts and tests need it too: building the kernel object, and
//! fetching the tools and servers that are needed for it and for the tests.
//!
//! Everything that is fetched is kept under `target/tools`; nothing on the user's system changes, but for the
//! component `rust-src` of a rustup toolchain.

#![forbid(unsafe_code)]

pub mod crates;
pub mod debian;
pub mod ebpf;
pub mod lock;
pub mod nightly;
pub mod process;
pub mod pypi;
pub mod servers;
pub mod virtual_machine;
pub mod workspace;
