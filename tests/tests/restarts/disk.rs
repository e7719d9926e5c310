//! A disk that does not take the books.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use prony_tests::{assert_books, assert_nothing_fell, needs_agent, needs_bpf, needs_root, skip, wait_until};
use rustix::mount::{UnmountFlags, unmount};
use tempfile::TempDir;

use crate::{books, keeping};

const PATIENCE: Duration = Duration::from_secs(30);

/// A file system of few pages.
struct SmallDisk(TempDir);

impl SmallDisk {
    fn mount() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"]).arg(folder.path()).status()?;
        ensure!(mounted.success(), "no file system can be mounted: run as root");
        Ok(Self(folder))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Failing leaves a mount behind, which harms nobody.
        let _ = unmount(self.0.path(), UnmountFlags::DETACH);
    }
}

#[test]
fn a_full_disk_is_told_of_and_the_books_go_on_when_there_is_room() {
    if let Some(reason) = needs_root().or_else(needs_bpf).or_else(needs_agent) {
        return skip("disk::a_full_disk_is_told_of_and_the_books_go_on_when_there_is_room", &reason);
    }
    full_disk().unwrap();
}

fn full_disk() -> Result<()> {
    let disk = SmallDisk::mount()?;
    let state = disk.path().join("state");
    let agent = keeping(&state).start()?;
    let ballast = disk.path().join("ballast");
    let written = fs::write(&ballast, vec![1_u8; 2 << 20]);
    ensure!(written.is_err(), "the disk is larger than it should be");
    let told = || agent.log().contains("the books cannot be written to").then_some(());
    wait_until(PATIENCE, told).with_context(|| format!("a full disk is not told of: {}", agent.log()))?;
    let while_full = books(&agent)?;
    assert_books(&agent.samples()?)?;

    fs::remove_file(&ballast)?;
    let size = || fs::metadata(state.join("books")).map(|file| file.len()).ok();
    let before = size();
    wait_until(PATIENCE, || (size() != before).then_some(())).context("the books are not written again")?;
    sleep(Duration::from_millis(300));
    agent.signal(rustix::process::Signal::KILL)?;
    drop(agent);

    let next = keeping(&state).start()?;
    assert_nothing_fell(&while_full, &books(&next)?);
    assert_books(&next.samples()?)
}

#[test]
fn damaged_books_are_told_of_and_kept() {
    if let Some(reason) = needs_bpf().or_else(needs_agent) {
        return skip("disk::damaged_books_are_told_of_and_kept", &reason);
    }
    damaged().unwrap();
}

fn damaged() -> Result<()> {
    let state = tempfile::tempdir()?;
    fs::write(state.path().join("books"), "no books of ours")?;
    let agent = keeping(state.path()).start()?;
    ensure!(agent.log().contains("books.damaged"), "{}", agent.log());
    assert_books(&agent.samples()?)?;
    ensure!(fs::read(state.path().join("books.damaged"))? == b"no books of ours");
    agent.stop()?;
    Ok(())
}
