//! The profile's file.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::document::NotAProfile;
use super::learned::Profile;

/// A file that holds a profile, or will. It is replaced as a whole, so that there is always all of one profile in it.
#[derive(Clone, Debug)]
pub struct ProfileFile {
    path: PathBuf,
    /// What it held when it was last read or written here; `None` for no file.
    text: Option<String>,
    /// The same as a profile.
    profile: Profile,
}

/// Why there is nothing to be had from a file that is there.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// It cannot be read. It is left alone.
    #[error("the profile {} cannot be read ({error}): let this user read it, or name another file", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// It is no profile, and lies under another name now.
    #[error(
        "the profile {} is of no use: {why}. It is kept as {}; static power is learned anew, or measured by 'prony calibrate'",
        path.display(),
        kept.display()
    )]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        why: NotAProfile,
        /// Where it is now.
        kept: PathBuf,
    },
    /// It is no profile, and cannot be laid aside.
    #[error(
        "the profile {} is of no use: {why}; and it cannot be renamed ({error}): remove it, or let this user write its folder",
        path.display()
    )]
    Stuck {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        why: NotAProfile,
        /// Why it stays where it is.
        error: io::Error,
    },
}

impl ProfileFile {
    /// The file at `path`, with what is in it. A file that is not there is an empty profile. What is no profile is laid
    /// aside, with `.damaged` after its name.
    ///
    /// # Errors
    /// When there is a file and nothing to be had from it; after [`LoadError::Damaged`] it can be opened again, and is empty.
    pub fn open(path: &Path) -> Result<(Self, Profile), LoadError> {
        let text = read(path).map_err(|error| LoadError::Unreadable { path: path.into(), error })?;
        let profile = match text.as_deref().map_or_else(|| Ok(Profile::default()), Profile::from_json) {
            Ok(profile) => profile,
            Err(why) => return Err(lay_aside(path, why)),
        };
        Ok((Self { path: path.into(), text, profile: profile.clone() }, profile))
    }

    /// The same, but what is no profile is only told by `tell`, and an empty one is begun in its place.
    ///
    /// # Errors
    /// When there is a file that can be neither read nor laid aside.
    pub fn open_or_begin(path: &Path, tell: impl FnOnce(&LoadError)) -> Result<(Self, Profile), LoadError> {
        Self::open(path).or_else(|error| {
            if let LoadError::Damaged { .. } = error {
                tell(&error);
                return Self::open(path);
            }
            Err(error)
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether somebody else has changed it since it was last read or written here.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn was_changed(&self) -> io::Result<bool> {
        Ok(read(&self.path)? != self.text)
    }

    /// Whether it holds another profile than this one.
    pub fn differs(&self, profile: &Profile) -> bool {
        self.profile != *profile
    }

    /// Replaces it at once and for good: after a crash there is all of the old profile or all of the new one.
    ///
    /// # Errors
    /// When its folder cannot be written to.
    pub fn write(&mut self, profile: &Profile) -> io::Result<()> {
        let text = profile.to_json();
        let new = with_suffix(&self.path, ".new");
        let mut file = File::create(&new)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, &self.path)?;
        (self.text, self.profile) = (Some(text), profile.clone());
        // The name is on the disk when the folder is.
        match self.path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            Some(folder) => File::open(folder)?.sync_all(),
            None => File::open(".")?.sync_all(),
        }
    }

    /// Sees to it that it can be written, as far as can be told without doing so.
    ///
    /// # Errors
    /// When its folder cannot be written to.
    pub fn try_folder(&self) -> io::Result<()> {
        let new = with_suffix(&self.path, ".new");
        File::create(&new)?;
        fs::remove_file(&new)
    }
}

fn read(path: &Path) -> io::Result<Option<String>> {
    match fs::read(path) {
        // What is no UTF-8 is no JSON either.
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn lay_aside(path: &Path, why: NotAProfile) -> LoadError {
    let kept = with_suffix(path, ".damaged");
    match fs::rename(path, &kept) {
        Ok(()) => LoadError::Damaged { path: path.into(), why, kept },
        Err(error) => LoadError::Stuck { path: path.into(), why, error },
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::UnixSeconds;
    use crate::source::{IdlePower, SourceId};
    use crate::units::Watts;

    fn profile(watts: f64) -> Profile {
        let mut profile = Profile::default();
        let source = SourceId("meter".into());
        profile.put(IdlePower { source, zone: "node".parse().unwrap(), power: Watts(watts) }, UnixSeconds(7));
        profile
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(folder).unwrap().map(|it| it.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_profile_is_kept_and_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("profile.json");
        let (mut file, found) = ProfileFile::open(&path).unwrap();
        assert_eq!(found, Profile::default());
        file.try_folder().unwrap();
        assert_eq!(names(folder.path()), [""; 0], "nothing is left of trying");
        for watts in [3.0, 4.0] {
            assert!(file.differs(&profile(watts)));
            file.write(&profile(watts)).unwrap();
            assert!(!file.differs(&profile(watts)) && !file.was_changed().unwrap());
            assert_eq!(ProfileFile::open(&path).unwrap().1, profile(watts));
        }
        assert_eq!(names(folder.path()), ["profile.json"]);
    }

    #[test]
    fn what_others_write_or_remove_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("profile.json");
        let (mut file, _) = ProfileFile::open(&path).unwrap();
        file.write(&profile(3.0)).unwrap();
        ProfileFile::open(&path).unwrap().0.write(&profile(5.0)).unwrap();
        assert!(file.was_changed().unwrap());
        let (file, _) = ProfileFile::open(&path).unwrap();
        fs::remove_file(&path).unwrap();
        assert!(file.was_changed().unwrap());
    }

    #[test]
    fn a_file_that_is_no_profile_is_laid_aside() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("profile.json");
        for bytes in [&b"{\"version\": 1, \"static_pow"[..], b"{\"version\": 99, \"more\": []}", b"\xff\x00"] {
            fs::write(&path, bytes).unwrap();
            let Err(error @ LoadError::Damaged { .. }) = ProfileFile::open(&path) else { panic!("it is no profile") };
            assert!(error.to_string().contains("profile.json.damaged"), "{error}");
            assert_eq!(names(folder.path()), ["profile.json.damaged"]);
            assert_eq!(fs::read(folder.path().join("profile.json.damaged")).unwrap(), bytes);
            assert_eq!(ProfileFile::open(&path).unwrap().1, Profile::default());
        }
    }

    #[test]
    fn a_file_that_cannot_be_read_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let error = ProfileFile::open(folder.path()).unwrap_err();
        assert!(matches!(error, LoadError::Unreadable { .. }), "{error}");
        assert!(folder.path().exists());
    }

    #[test]
    fn a_folder_that_is_not_there_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let (mut file, _) = ProfileFile::open(&folder.path().join("none/profile.json")).unwrap();
        assert!(file.try_folder().is_err());
        assert!(file.write(&profile(3.0)).is_err());
    }
}
