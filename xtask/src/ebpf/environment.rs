//! What an outer Cargo leaves in the environment of a build script or of `cargo run` means its own build, not the
//! kernel object's: flags, wrappers (clippy's among them), the crate's data.

use std::env;
use std::process::Command;

/// Variables whose name begins so are the user's, not a build's: where Cargo and its registries are, how it reports,
/// and the tokens that it shares its cores by.
const KEPT: &[&str] = &[
    "CARGO_HOME",
    "CARGO_HTTP_",
    "CARGO_MAKEFLAGS",
    "CARGO_NET_",
    "CARGO_REGISTRIES_",
    "CARGO_REGISTRY_",
    "CARGO_SOURCE_",
    "CARGO_TERM_",
    "RUSTUP_",
];

/// Variables whose name begins so are a build's.
const DROPPED: &[&str] = &["CARGO", "__CARGO", "RUSTC", "RUSTDOC", "RUSTFLAGS"];

/// Takes what belongs to an outer build out of the environment that a command will have.
pub fn clean(command: &mut Command) -> &mut Command {
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(is_of_a_build) {
            command.env_remove(name);
        }
    }
    command
}

fn is_of_a_build(name: &str) -> bool {
    let begins_with_one_of = |beginnings: &[&str]| beginnings.iter().any(|&beginning| name.starts_with(beginning));
    begins_with_one_of(DROPPED) && !begins_with_one_of(KEPT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_and_wrappers_of_an_outer_build_are_dropped() {
        for name in [
            "CARGO",
            "CARGO_BUILD_TARGET",
            "CARGO_CFG_TARGET_ARCH",
            "CARGO_ENCODED_RUSTFLAGS",
            "CARGO_PKG_NAME",
            "CARGO_PROFILE_RELEASE_LTO",
            "CARGO_TARGET_DIR",
            "RUSTC",
            "RUSTC_BOOTSTRAP",
            "RUSTC_WORKSPACE_WRAPPER",
            "RUSTFLAGS",
            "__CARGO_TESTS_ONLY_SRC_ROOT",
        ] {
            assert!(is_of_a_build(name), "{name}");
        }
    }

    #[test]
    fn settings_of_the_user_are_kept() {
        for name in
            ["CARGO_HOME", "CARGO_NET_OFFLINE", "CARGO_HTTP_PROXY", "CARGO_MAKEFLAGS", "RUSTUP_TOOLCHAIN", "PATH"]
        {
            assert!(!is_of_a_build(name), "{name}");
        }
    }
}
