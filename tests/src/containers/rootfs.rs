//! A root file system with one program.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use tempfile::TempDir;

/// The folders that runtimes mount something on.
const MOUNT_POINTS: [&str; 6] = ["proc", "sys", "dev", "etc", "run", "tmp"];

/// A program of this machine with the libraries that it needs, and nothing else.
#[derive(Debug)]
pub struct Rootfs {
    directory: TempDir,
    program: String,
}

impl Rootfs {
    /// With this program, which keeps its file name.
    ///
    /// # Errors
    /// When it cannot be told which libraries it needs, or something cannot be copied.
    pub fn with(program: &Path) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        for folder in MOUNT_POINTS {
            fs::create_dir(directory.path().join(folder))?;
        }
        let listed = Command::new("ldd").arg(program).output().context("cannot start `ldd`: is libc-bin installed?")?;
        for library in libraries(&String::from_utf8_lossy(&listed.stdout)) {
            copy(&library, &directory.path().join(library.strip_prefix("/")?))?;
        }
        let name = program.file_name().context("the program has a name")?.to_string_lossy();
        copy(program, &directory.path().join(&*name))?;
        let rootfs = Self { directory, program: format!("/{name}") };
        ensure!(!rootfs.program.contains(char::is_whitespace), "the program's name is one word");
        Ok(rootfs)
    }

    /// Where it is on this machine.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Where the program is in it.
    pub fn program(&self) -> &str {
        &self.program
    }
}

/// The files in `ldd`'s lines `name => /path (address)` and `/path (address)`. A program that is linked statically has
/// none.
fn libraries(listed: &str) -> Vec<PathBuf> {
    listed.split_whitespace().filter(|word| word.starts_with('/')).map(PathBuf::from).collect()
}

fn copy(file: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to.parent().context("a file is in a folder")?)?;
    fs::copy(file, to).map(drop).with_context(|| format!("cannot copy {}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_those_with_a_path() {
        let listed = "\tlinux-vdso.so.1 (0x00007f39)\n\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f39)\n\
                      \t/lib64/ld-linux-x86-64.so.2 (0x00007f39)\n";
        let expected = ["/lib/x86_64-linux-gnu/libc.so.6", "/lib64/ld-linux-x86-64.so.2"].map(PathBuf::from);
        assert_eq!(libraries(listed), expected);
        assert!(libraries("\tstatically linked\n").is_empty());
    }
}
