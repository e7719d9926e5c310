//! What a machine draws by its load, as it is handed on from one machine to another.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::clock::UnixSeconds;
use crate::source::Zone;

use super::profile_document::NotAPowerProfile;
use super::zone_power::ZonePower;

/// See the module.
#[derive(Clone, Debug, PartialEq)]
pub struct PowerProfile {
    /// Of which machine, instance type or processor, for people.
    pub subject: String,
    /// Where its figures come from, for people.
    pub origin: String,
    /// When it was made.
    pub made_at: UnixSeconds,
    /// How many CPUs (hardware threads) the machine has that it is of.
    pub cpus: usize,
    /// What should be known of it before it is trusted.
    pub warnings: Vec<String>,
    /// Power by zone; no zone is there twice.
    pub zones: Vec<ZonePower>,
}

/// Why a file gives no power profile.
#[derive(Debug, thiserror::Error)]
pub enum PowerProfileError {
    /// It cannot be read.
    #[error("the power profile {} cannot be read ({error}): let this user read it, or name another file", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// It is none.
    #[error(
        "the power profile {} is of no use: {why}; make it with 'prony import-profile' or 'prony calibrate --export-profile'",
        path.display()
    )]
    Unusable {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        why: NotAPowerProfile,
    },
}

impl PowerProfile {
    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read, or is no power profile; the message says what to do.
    pub fn read(path: &Path) -> Result<Self, PowerProfileError> {
        let text = std::fs::read(path).map_err(|error| PowerProfileError::Unreadable { path: path.into(), error })?;
        // What is no UTF-8 is no JSON either.
        Self::from_json(&String::from_utf8_lossy(&text))
            .map_err(|why| PowerProfileError::Unusable { path: path.into(), why })
    }

    /// Writes a file; one that is there is replaced as a whole, or stays as it was.
    ///
    /// # Errors
    /// When its folder cannot be written to.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let mut new = path.as_os_str().to_owned();
        new.push(".new");
        let mut file = std::fs::File::create(&new)?;
        file.write_all(self.to_json().as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&new, path)
    }

    /// The zone that is there twice, if one is.
    pub(super) fn twice(&self) -> Option<&ZonePower> {
        // `package` stands for `package-0` too.
        let overlap = |one: &Zone, other: &Zone| {
            one.name == other.name && (one.socket == other.socket || one.socket.is_none() || other.socket.is_none())
        };
        let before = |index: usize| &self.zones[..index];
        let again = |(index, it): &(usize, &ZonePower)| before(*index).iter().any(|one| overlap(&one.zone, &it.zone));
        self.zones.iter().enumerate().find(again).map(|(_, it)| it)
    }
}
