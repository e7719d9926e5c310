//! The image's build file, as far as it can be checked without a registry of images.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};
use prony_tests::{needs_agent, skip};

use crate::objects::read;

#[test]
fn the_build_file_agrees_with_the_project() -> Result<()> {
    let root = xtask::workspace::root();
    let file = read("image/Dockerfile")?;
    let compiler = std::fs::read_to_string(root.join("rust-toolchain.toml"))?;
    let channel = compiler.lines().find_map(|line| line.strip_prefix("channel = ")).context("no channel")?;
    let argument = file.lines().find_map(|line| line.strip_prefix("ARG RUST=")).context("no ARG RUST")?;
    assert_eq!(argument, channel.trim_matches('"'), "the compiler of rust-toolchain.toml");

    let copies = file.lines().filter_map(|line| line.strip_prefix("COPY ")).filter(|line| !line.starts_with("--from"));
    for copy in copies {
        let (sources, _) = copy.rsplit_once(' ').context("COPY without a target")?;
        for source in sources.split(' ') {
            assert!(Path::new(root).join(source).exists(), "COPY {source}: there is no such thing");
        }
    }
    let bases: Vec<&str> = file.lines().filter_map(|line| line.strip_prefix("FROM ")).collect();
    assert_eq!(bases.len(), 2);
    assert!(bases.iter().all(|base| base.contains(':') && !base.contains(":latest")), "{bases:?}");
    let ignored = std::fs::read_to_string(root.join(".dockerignore"))?;
    for name in ["target", ".git"] {
        assert!(ignored.lines().any(|line| line == name), "{name} does not belong into a build");
    }
    Ok(())
}

/// A stage knows no variable but those that it declares: another one is empty there.
#[test]
fn every_variable_is_declared_where_it_is_used() -> Result<()> {
    let file = read("image/Dockerfile")?;
    let (_, stages) = file.split_once("\nFROM ").context("no FROM")?;
    for stage in stages.split("\nFROM ") {
        // The line of FROM itself knows what is set above the first one.
        let mut declared = Vec::new();
        for line in stage.lines().skip(1).filter(|line| !line.starts_with('#')) {
            declared.extend(line.strip_prefix("ARG ").map(|argument| argument.split('=').next().unwrap_or(argument)));
            for used in line.split("${").skip(1).filter_map(|rest| rest.split('}').next()) {
                assert!(declared.contains(&used), "{used} is empty in `{line}`");
            }
        }
    }
    Ok(())
}

/// The image that the agent lies in has the C library and the compiler's, and nothing else.
#[test]
fn the_agent_needs_no_library_that_the_image_lacks() -> Result<()> {
    if let Some(reason) = needs_agent() {
        skip("the_agent_needs_no_library_that_the_image_lacks", &reason);
        return Ok(());
    }
    let agent = std::env::var_os("PRONY_BIN").context("PRONY_BIN")?;
    let needed = xtask::process::output(Command::new("ldd").arg(agent))?;
    let known = ["linux-vdso.", "ld-linux", "libc.so", "libm.so", "libgcc_s.so"];
    for line in needed.lines() {
        assert!(known.iter().any(|library| line.contains(library)), "{line}");
    }
    Ok(())
}
