//! What a virtual machine of a test is made of: QEMU, and kernels as Debian builds them. They are unpacked under
//! `target/tools` and never installed.

mod kernel;
mod qemu;

pub use kernel::{KERNELS, Kernel, TESTED, UnpackedKernel};
pub use qemu::Qemu;

use std::path::Path;

use anyhow::{Context as _, Result, bail};

use crate::debian::{self, Apt};
use crate::workspace;

/// Fetches QEMU and the one kernel that `cargo xtask test` boots, where they are not here.
///
/// # Errors
/// When one cannot be had; the message says why.
pub fn install_missing() -> Result<()> {
    Qemu::find_or_fetch()?;
    TESTED.find_or_fetch().map(drop)
}

/// Suites of Debian's archives.
struct Suites<'a> {
    /// Of the archive itself.
    archive: &'a [&'a str],
    /// Of the archive of security updates.
    security: &'a [&'a str],
}

/// An apt for these suites alone, its lists fetched.
fn apt(name: &str, suites: &Suites<'_>) -> Result<Apt> {
    let sources = debian::configured(Path::new("/etc/apt"));
    let archives = debian::archives(&sources);
    let Some((uri, source)) = archives.first() else {
        bail!("apt has no source on this machine that could be Debian's archive");
    };
    let mirror = uri.trim_end_matches('/');
    let security = sources.iter().find(|source| source.suites.iter().any(|suite| suite.ends_with("-security")));
    let security_uri = security.and_then(|source| source.uris.first().cloned());
    let security_uri = security_uri.unwrap_or_else(|| format!("{mirror}-security"));
    let of_archive = suites.archive.iter().map(|suite| source.stanza(uri, suite));
    let of_security = suites.security.iter().map(|suite| source.stanza(&security_uri, suite));
    let stanzas: Vec<String> = of_archive.chain(of_security).collect();
    let apt = Apt::with_source(&workspace::tools().join("apt").join(name), &stanzas.join("\n"))?;
    apt.update().with_context(|| format!("cannot fetch the lists of {name}"))?;
    Ok(apt)
}
