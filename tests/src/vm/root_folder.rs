//! The guest's root folder: programs of this machine with the libraries that they are linked with, and the kernel's
//! modules.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use xtask::process;
use xtask::virtual_machine::UnpackedKernel;

use super::archive::Archive;
use super::{Machine, Programs, guest};

const FOLDERS: [&str; 10] = ["bin", "dev", "proc", "sys", "tmp", "run", "root", "etc", "modules", "tests"];

/// Writes it as an archive.
pub(super) fn write(into: &Path, programs: &Programs, kernel: &UnpackedKernel, machine: &Machine) -> Result<()> {
    let file = File::create(into).with_context(|| format!("cannot create {}", into.display()))?;
    let mut archive = Archive::new(BufWriter::new(file));
    let mut folders = BTreeSet::new();
    for folder in FOLDERS {
        add_folder(&mut archive, &mut folders, Path::new(folder))?;
    }
    archive.console("/dev/console")?;
    let scratch = tempfile::tempdir()?;
    let shell = PathBuf::from("/bin/sh");
    let mut files = vec![
        ("/init".to_owned(), &programs.init),
        (guest::AGENT.to_owned(), &programs.agent),
        (guest::LOAD.to_owned(), &programs.load),
        ("/bin/sh".to_owned(), &shell),
    ];
    let name = |test: &Path| test.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    if !programs.tests.is_empty() {
        // Tests look for it where it was built.
        add_folder(&mut archive, &mut folders, programs.load.parent().context("a program lies in a folder")?)?;
        files.push((programs.load.to_string_lossy().into_owned(), &programs.load));
    }
    files.extend(programs.tests.iter().map(|test| (format!("{}/{}", guest::TESTS, name(test)), test)));
    let mut libraries = BTreeSet::new();
    for (place, program) in files {
        libraries.extend(libraries_of(program)?);
        archive.file(&place, &stripped(program, scratch.path())?)?;
    }
    for library in libraries {
        add_folder(&mut archive, &mut folders, library.parent().context("a library lies in a folder")?)?;
        archive.file(&library.to_string_lossy(), &read(&library)?)?;
    }
    // A module that is not there is part of the kernel, or the kernel does without.
    let mut order = String::new();
    for (module, parameters) in machine.modules() {
        if let Ok(file) = kernel.module(module) {
            archive.file(&format!("{}/{}", guest::MODULES, name(&file)), &read(&file)?)?;
            writeln!(order, "{} {parameters}", name(&file))?;
        }
    }
    archive.file(guest::MODULE_ORDER, order.as_bytes())?;
    archive.finish().with_context(|| format!("cannot write {}", into.display()))
}

/// The folder and those above it.
fn add_folder(archive: &mut Archive<impl std::io::Write>, known: &mut BTreeSet<PathBuf>, folder: &Path) -> Result<()> {
    let above: Vec<&Path> = folder.ancestors().filter(|above| above.file_name().is_some()).collect();
    for folder in above.into_iter().rev() {
        if known.insert(folder.to_owned()) {
            archive.folder(&folder.to_string_lossy())?;
        }
    }
    Ok(())
}

/// The libraries that a program is linked with, and its loader, as `ldd` tells them: `name => /path (0x...)`, or the
/// path alone.
fn libraries_of(program: &Path) -> Result<Vec<PathBuf>> {
    let told = process::output(Command::new("ldd").arg(program))?;
    let paths = told.lines().filter_map(|line| {
        let line = line.split_once(" => ").map_or(line, |(_, path)| path).trim();
        line.starts_with('/').then(|| PathBuf::from(line.split(" (").next().unwrap_or(line)))
    });
    Ok(paths.collect())
}

/// A program without what is for debuggers, which is most of it; as it is where there is no `strip`.
fn stripped(program: &Path, scratch: &Path) -> Result<Vec<u8>> {
    let into = scratch.join("stripped");
    match process::output(Command::new("strip").arg("--strip-all").arg("-o").arg(&into).arg(program)) {
        Ok(_) => read(&into),
        Err(_) => read(program),
    }
}

fn read(file: &Path) -> Result<Vec<u8>> {
    fs::read(file).with_context(|| format!("cannot read {}", file.display()))
}
