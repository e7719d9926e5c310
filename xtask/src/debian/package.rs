//! Unpacking a `.deb` without dpkg's database.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

/// Unpacks the folder `part` of a package (`.` for all of it; `usr/src/x` for that folder's content alone) as the
/// folder `into`. What was in `into` is replaced, and only when everything has been unpacked.
///
/// # Errors
/// When the package is damaged or the folder cannot be written.
pub fn unpack(package: &Path, part: &str, into: &Path) -> Result<()> {
    replace(into, |partial| extract(package, part, partial))
}

/// Unpacks all of several packages as one folder. What was in `into` is replaced, and only when everything has been
/// unpacked.
///
/// # Errors
/// As for [`unpack`].
pub fn unpack_together(packages: &[PathBuf], into: &Path) -> Result<()> {
    replace(into, |partial| packages.iter().try_for_each(|package| extract(package, ".", partial)))
}

fn replace(into: &Path, fill: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let parent = into.parent().context("the folder to unpack to has a parent")?;
    let name = into.file_name().context("the folder to unpack to has a name")?.to_string_lossy();
    let partial = parent.join(format!(".{name}.partial"));
    remove(&partial)?;
    fs::create_dir_all(&partial).with_context(|| format!("cannot create {}", partial.display()))?;
    fill(&partial)?;
    remove(into)?;
    fs::rename(&partial, into).with_context(|| format!("cannot create {}", into.display()))
}

fn extract(package: &Path, part: &str, into: &Path) -> Result<()> {
    let member = if part == "." { "./".to_owned() } else { format!("./{part}") };
    let depth = if part == "." { 0 } else { part.split('/').count() + 1 };
    let mut archive = Command::new("dpkg-deb")
        .arg("--fsys-tarfile")
        .arg(package)
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start `dpkg-deb`: is the package dpkg installed?")?;
    let content = archive.stdout.take().context("dpkg-deb's output is piped")?;
    let unpacked = Command::new("tar")
        .args(["--extract", "--no-same-owner", &format!("--strip-components={depth}"), "--directory"])
        .arg(into)
        .arg(member)
        .stdin(content)
        .status()
        .context("cannot start `tar`: is the package tar installed?")?;
    let read = archive.wait()?;
    ensure!(read.success() && unpacked.success(), "cannot unpack {part} from {}", package.display());
    Ok(())
}

fn remove(directory: &Path) -> Result<()> {
    if directory.exists() {
        fs::remove_dir_all(directory).with_context(|| format!("cannot remove {}", directory.display()))?;
    }
    Ok(())
}
