//! Where things are in this workspace.

use std::path::{Path, PathBuf};

/// The folder that holds the workspace's `Cargo.toml`.
///
/// # Panics
/// Never: this crate lies in a folder of the workspace.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("this crate lies in a folder of the workspace")
}

/// What is built and fetched here, wherever `CARGO_TARGET_DIR` points: fetched tools outlive a change of it.
pub fn target() -> PathBuf {
    root().join("target")
}

/// Fetched tools, each in a folder with its version in the name.
pub fn tools() -> PathBuf {
    target().join("tools")
}
