//! What can be known of the machine: "no" and "unknown" are kept apart.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// The answer to one question about the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact<T> {
    /// It is there.
    Is(T),
    /// It is not there.
    Absent,
    /// It could not be found out; the text says why.
    Unknown(String),
}

impl<T> Fact<T> {
    /// What is there.
    pub fn known(&self) -> Option<&T> {
        match self {
            Self::Is(value) => Some(value),
            Self::Absent | Self::Unknown(_) => None,
        }
    }

    /// What becomes of what is there.
    pub(super) fn then<U>(self, next: impl FnOnce(T) -> Fact<U>) -> Fact<U> {
        match self {
            Self::Is(value) => next(value),
            Self::Absent => Fact::Absent,
            Self::Unknown(why) => Fact::Unknown(why),
        }
    }

    /// The same, where "not there" says nothing.
    pub(super) fn or_unknown(self, why: &str) -> Self {
        match self {
            Self::Absent => Self::Unknown(why.into()),
            known => known,
        }
    }

    fn of(path: &Path, result: io::Result<T>) -> Self {
        match result {
            Ok(value) => Self::Is(value),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Self::Absent,
            Err(error) => Self::Unknown(format!("{}: {error}", path.display())),
        }
    }
}

/// The text of a file, without the white space around it.
pub(super) fn text(path: &Path) -> Fact<String> {
    Fact::of(path, std::fs::read(path)).then(|bytes| Fact::Is(String::from_utf8_lossy(&bytes).trim().to_owned()))
}

/// The text of a file, read as a value.
pub(super) fn value<T: std::str::FromStr>(path: &Path) -> Fact<T> {
    text(path).then(|text| match text.parse() {
        Ok(value) => Fact::Is(value),
        Err(_) => Fact::Unknown(format!("{} holds '{text}'", path.display())),
    })
}

/// Whether a path is there.
pub(super) fn path(path: &Path) -> Fact<PathBuf> {
    Fact::of(path, path.metadata()).then(|_| Fact::Is(path.to_owned()))
}

/// The names in a folder, sorted.
pub(super) fn names(folder: &Path) -> Fact<Vec<String>> {
    let entries = std::fs::read_dir(folder).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    Fact::of(folder, entries).then(|entries| {
        let mut names: Vec<_> = entries.iter().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        Fact::Is(names)
    })
}
