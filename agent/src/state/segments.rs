//! Records that are each written once and go when they are old, in files of their own.

use std::fs::{self, DirBuilder};
use std::io::{self, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tracing::warn;

use crate::confine::Confinement;

use super::files_thread::FilesThread;
use super::folder::private;
use super::frames::{self, MAGIC};

/// A folder of them. Each has the name of its series and a number in it.
#[derive(Debug)]
pub struct Segments {
    folder: PathBuf,
    files: FilesThread,
}

impl Segments {
    /// Takes the folder at `path`, which is made if it is not there. From then on files are made by a thread that can make
    /// them nowhere else.
    ///
    /// # Errors
    /// When it cannot be made, or there is no thread.
    pub fn open(path: &Path, confinement: &Arc<Confinement>) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        Ok(Self { folder: path.into(), files: FilesThread::start(path, confinement)? })
    }

    /// What there is of a series from number `from` on, in order of the numbers. A file that is damaged or of another version is left out,
    /// and said to be.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn read<Record: DeserializeOwned>(&self, series: &str, from: u64) -> io::Result<Vec<(u64, Record)>> {
        let mut numbers = self.numbers(series)?;
        numbers.retain(|number| *number >= from);
        numbers.sort_unstable();
        let mut records = Vec::new();
        for (number, path) in numbers.into_iter().map(|number| (number, self.path(series, number))) {
            let decoded = fs::read(&path).map(|bytes| frames::decode::<Record>(&bytes));
            match decoded {
                Ok(Some(decoded)) if decoded.rest == 0 => {
                    records.extend(decoded.records.into_iter().map(|record| (number, record)));
                }
                Ok(_) => {
                    warn!(
                        "{} is damaged or of another version of prony: it is left out of the history",
                        path.display()
                    );
                }
                Err(error) => warn!("{} cannot be read ({error}): it is left out of the history", path.display()),
            }
        }
        Ok(records)
    }

    /// Writes a record in place of the one with its number, and removes those of the series with numbers below `oldest`.
    ///
    /// # Errors
    /// When the disk does not take it; the one before is still there.
    pub fn write(&self, series: &str, number: u64, record: &impl Serialize, oldest: u64) -> io::Result<()> {
        let frame = frames::encode(record).map_err(io::Error::other)?;
        let mut old = self.numbers(series)?;
        old.retain(|number| *number < oldest);
        let old: Vec<PathBuf> = old.into_iter().map(|number| self.path(series, number)).collect();
        let (path, new) = (self.path(series, number), self.folder.join(format!("{series}.new")));
        self.files.run(move || {
            let mut file = private().truncate(true).open(&new)?;
            file.write_all(&MAGIC)?;
            file.write_all(&frame)?;
            fs::rename(&new, &path)?;
            old.iter().try_for_each(fs::remove_file)
        })?
    }

    fn numbers(&self, series: &str) -> io::Result<Vec<u64>> {
        let number = |entry: fs::DirEntry| {
            let name = entry.file_name().into_string().ok()?;
            name.strip_prefix(series)?.strip_prefix('-')?.parse().ok()
        };
        Ok(fs::read_dir(&self.folder)?.flatten().filter_map(number).collect())
    }

    fn path(&self, series: &str, number: u64) -> PathBuf {
        self.folder.join(format!("{series}-{number}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_found_in_order_until_it_is_old() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history");
        let segments = Segments::open(&path, &Confinement::none()).unwrap();
        for number in [9, 10, 11] {
            segments.write("minute", number, &format!("{number}"), 0).unwrap();
        }
        segments.write("hour", 1, &"hour".to_owned(), 0).unwrap();
        segments.write("minute", 11, &"eleven".to_owned(), 10).unwrap();
        let found = |series, from| -> Vec<(u64, String)> { segments.read(series, from).unwrap() };
        assert_eq!(found("minute", 0), [(10, "10".into()), (11, "eleven".into())]);
        assert_eq!(found("minute", 11), [(11, "eleven".into())]);
        assert_eq!(found("hour", 0), [(1, "hour".into())]);
        fs::write(path.join("minute-10"), b"nonsense").unwrap();
        assert_eq!(found("minute", 0), [(11, "eleven".into())]);
    }
}
