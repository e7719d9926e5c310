//! Kernels.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::Suites;
use crate::debian::unpack_together;
use crate::lock::ToolsLock;
use crate::process::say;
use crate::workspace;

/// The packages that depend on the newest kernel of a suite: that for virtual machines, which has few drivers, and that
/// for all machines.
const CLOUD: &str = "linux-image-cloud-amd64";
const GENERIC: &str = "linux-image-amd64";

/// A kernel as a suite of Debian has it; which one exactly changes as the suite does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kernel {
    /// What it is called here.
    pub name: &'static str,
    suite: &'static str,
    /// Whether it has the drivers of all machines.
    pub is_generic: bool,
}

/// Kernels that the agent is tried on, the oldest first: those of Debian's releases, and the newest two there are.
pub const KERNELS: &[Kernel] = &[
    Kernel { name: "5.10", suite: "bullseye-security", is_generic: false },
    Kernel { name: "6.1", suite: "bookworm-security", is_generic: false },
    Kernel { name: "6.1-generic", suite: "bookworm-security", is_generic: true },
    TESTED,
    Kernel { name: "6.12-generic", suite: "trixie-security", is_generic: true },
    Kernel { name: "sid", suite: "sid", is_generic: false },
    Kernel { name: "backports", suite: "trixie-backports", is_generic: false },
];

/// A kernel in a folder of its own.
#[derive(Clone, Debug)]
pub struct UnpackedKernel {
    /// Its release, as `uname -r` says it.
    pub release: String,
    /// The file that boots.
    pub image: PathBuf,
    /// The folder of its modules, which has the release as its name.
    pub modules: PathBuf,
}

/// The one that `cargo xtask test` boots.
pub const TESTED: Kernel = Kernel { name: "6.12", suite: "trixie-security", is_generic: false };

impl Kernel {
    /// The kernel as it lies under `target/tools`.
    ///
    /// # Errors
    /// When it was not fetched.
    pub fn find(&self) -> Result<UnpackedKernel> {
        UnpackedKernel::in_folder(&self.folder())
            .with_context(|| format!("the kernel {} is not here: `cargo xtask test --install` fetches the one for tests, `cargo xtask vm-test` all", self.name))
    }

    /// The kernel, fetched if it is not here.
    ///
    /// # Errors
    /// When it cannot be had; the message says why.
    pub fn find_or_fetch(&self) -> Result<UnpackedKernel> {
        self.find().or_else(|_| {
            let _lock = ToolsLock::acquire()?;
            say(format_args!("fetching a kernel of {} into target/tools/kernels", self.suite));
            self.fetch().with_context(|| format!("cannot fetch a kernel of {}", self.suite))?;
            self.find()
        })
    }

    fn fetch(&self) -> Result<()> {
        let suites = [self.suite];
        let suites = if self.suite.ends_with("-security") {
            Suites { archive: &[], security: &suites }
        } else {
            Suites { archive: &suites, security: &[] }
        };
        let apt = super::apt(self.suite, &suites)?;
        let package = if self.is_generic { GENERIC } else { CLOUD };
        let is_kernel = |name: &String| name.starts_with("linux-image-");
        let newest = apt.dependencies(package)?.into_iter().find(is_kernel);
        let newest = newest.with_context(|| format!("{package} depends on no kernel"))?;
        // Newer ones have kernel and modules in packages of their own.
        let parts: Vec<String> = apt
            .dependencies(&newest)?
            .into_iter()
            .filter(|name| name.starts_with("linux-binary-") || name.starts_with("linux-modules-"))
            .collect();
        let packages = if parts.is_empty() { vec![newest] } else { parts };
        let files = packages.iter().map(|package| apt.download(package)).collect::<Result<Vec<_>>>()?;
        unpack_together(&files, &self.folder())?;
        files.iter().try_for_each(|file| fs::remove_file(file).context("cannot remove a package"))
    }

    fn folder(&self) -> PathBuf {
        workspace::tools().join("kernels").join(self.name)
    }
}

impl UnpackedKernel {
    fn in_folder(folder: &Path) -> Option<Self> {
        let modules = ["usr/lib/modules", "lib/modules"].map(|modules| folder.join(modules));
        let modules = modules.iter().find_map(|folder| Some(fs::read_dir(folder).ok()?.next()?.ok()?.path()))?;
        let release = modules.file_name()?.to_str()?.to_owned();
        let images = [folder.join(format!("boot/vmlinuz-{release}")), modules.join("vmlinuz")];
        let image = images.into_iter().find(|image| image.is_file())?;
        Some(Self { release, image, modules })
    }

    /// The file of a module, which may be compressed.
    ///
    /// # Errors
    /// When the kernel has no such module.
    pub fn module(&self, name: &str) -> Result<PathBuf> {
        find_module(&self.modules, name).with_context(|| format!("{} has no module {name}", self.release))
    }
}

fn find_module(folder: &Path, name: &str) -> Option<PathBuf> {
    let entries: Vec<_> = fs::read_dir(folder).ok()?.flatten().collect();
    entries.iter().find_map(|entry| {
        let path = entry.path();
        if path.is_dir() {
            return find_module(&path, name);
        }
        let file = entry.file_name().into_string().ok()?;
        (file.split_once(".ko")?.0 == name).then_some(path)
    })
}
