//! apt with lists, caches and sources of its own: nothing of the system's apt changes, and it works for any user.
//! Proxies, credentials and keys are the system's.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::process;

/// A private apt.
#[derive(Debug)]
pub struct Apt {
    directory: PathBuf,
}

impl Apt {
    /// An apt that takes packages from where the system's apt does.
    ///
    /// # Errors
    /// When there is no apt on this machine or the folder cannot be written.
    pub fn with_system_sources(directory: &Path) -> Result<Self> {
        Self::new(directory, "")
    }

    /// An apt that takes packages only from the given sources (stanzas of deb822 style, see sources.list(5), with an
    /// empty line between them).
    ///
    /// # Errors
    /// When there is no apt on this machine or the folder cannot be written.
    pub fn with_source(directory: &Path, stanza: &str) -> Result<Self> {
        let parts = directory.join("sources.list.d");
        let apt = Self::new(
            directory,
            &format!("Dir::Etc::SourceList \"/dev/null\";\nDir::Etc::SourceParts \"{}\";\n", parts.display()),
        )?;
        write(&parts, "only.sources", stanza)?;
        Ok(apt)
    }

    fn new(directory: &Path, sources: &str) -> Result<Self> {
        for program in ["apt-get", "dpkg-deb"] {
            if process::find_on_path(program).is_none() {
                bail!("`{program}` is not on this machine");
            }
        }
        let shown = directory.display();
        // The hooks of the system's configuration clean the system's caches; they have no business with these.
        // apt drops to the user _apt for downloads when it is root; that user cannot write into a home folder.
        let configuration = format!(
            "#clear APT::Update::Pre-Invoke;\n\
             #clear APT::Update::Post-Invoke;\n\
             #clear APT::Update::Post-Invoke-Success;\n\
             APT::Sandbox::User \"root\";\n\
             APT::Get::Assume-Yes \"true\";\n\
             Acquire::Retries \"2\";\n\
             Acquire::http::Timeout \"30\";\n\
             Acquire::https::Timeout \"30\";\n\
             Acquire::Languages \"none\";\n\
             Dir::State \"{shown}/state\";\n\
             Dir::State::status \"/var/lib/dpkg/status\";\n\
             Dir::Cache \"{shown}/cache\";\n\
             {sources}"
        );
        for needed in ["state/lists/partial", "cache/archives/partial"] {
            fs::create_dir_all(directory.join(needed)).with_context(|| format!("cannot create {shown}/{needed}"))?;
        }
        write(directory, "apt.conf", &configuration)?;
        Ok(Self { directory: directory.to_owned() })
    }

    /// Fetches the lists of packages. apt checks their signatures.
    ///
    /// # Errors
    /// When one of the sources cannot be fetched or is not signed with a known key.
    pub fn update(&self) -> Result<()> {
        process::run(self.apt_get().args(["-qq", "-o", "APT::Update::Error-Mode=any", "update"]))
    }

    /// Downloads a package, `name` or `name=version` (where the version may end in `*`), and returns the file.
    ///
    /// # Errors
    /// When there is no such package.
    pub fn download(&self, package: &str) -> Result<PathBuf> {
        let name = package.split('=').next().unwrap_or(package);
        let downloads = self.directory.join("downloads").join(name);
        if downloads.exists() {
            fs::remove_dir_all(&downloads)?;
        }
        fs::create_dir_all(&downloads).with_context(|| format!("cannot create {}", downloads.display()))?;
        process::run(self.apt_get().args(["-qq", "download", package]).current_dir(&downloads))?;
        let file = fs::read_dir(&downloads)?.next().with_context(|| format!("apt-get downloaded no {package}"))??;
        Ok(file.path())
    }

    /// Downloads a package with all that it depends on and that is not installed on this machine, preferably from one
    /// `release` if that is given.
    ///
    /// # Errors
    /// When there is no such package, or it cannot be had beside what is installed.
    pub fn download_with_dependencies(&self, package: &str, release: Option<&str>) -> Result<Vec<PathBuf>> {
        let archives = self.directory.join("cache/archives");
        fs::remove_dir_all(&archives)?;
        fs::create_dir_all(archives.join("partial"))?;
        let options =
            ["-qq", "-o", "Debug::NoLocking=true", "--no-install-recommends", "--download-only", "--reinstall"];
        let preferred = release.into_iter().flat_map(|release| ["--target-release", release]);
        process::run(self.apt_get().args(options).args(preferred).args(["install", package]))?;
        let files = fs::read_dir(&archives)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
        Ok(files.into_iter().filter(|file| file.extension().is_some_and(|extension| extension == "deb")).collect())
    }

    /// The names that a package depends on, in no version in particular; alternatives count.
    ///
    /// # Errors
    /// When there is no such package.
    pub fn dependencies(&self, package: &str) -> Result<Vec<String>> {
        let listed = process::output(self.command("apt-cache").args(["depends", "--important", package]))?;
        let depends = |line: &str| line.trim().trim_start_matches('|').strip_prefix("Depends: ").map(str::to_owned);
        Ok(listed.lines().filter_map(depends).collect())
    }

    fn apt_get(&self) -> Command {
        self.command("apt-get")
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .arg("-c")
            .arg(self.directory.join("apt.conf"))
            .env("LC_ALL", "C")
            .env("DEBIAN_FRONTEND", "noninteractive");
        command
    }
}

fn write(directory: &Path, name: &str, content: &str) -> Result<()> {
    let file = directory.join(name);
    fs::create_dir_all(directory)
        .and_then(|()| fs::write(&file, content))
        .with_context(|| format!("cannot write {}", file.display()))
}
