//! The file of a factor, which somebody else keeps up.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use crate::notice::Notice;

use super::series::Series;

static UNUSABLE: Notice = Notice::new("footprint_file");

/// A file that is read again when it has changed.
#[derive(Debug)]
pub(super) struct FactorFile {
    path: PathBuf,
    hold: Duration,
    /// When it was last changed and how long it was, as of when it was last read.
    read: Option<(SystemTime, u64)>,
    series: Option<Series>,
}

impl FactorFile {
    pub(super) fn new(path: PathBuf, hold: Duration) -> Self {
        Self { path, hold, read: None, series: None }
    }

    /// What it says; as before where it has become unreadable.
    pub(super) fn series(&mut self) -> Option<&Series> {
        if let Err(error) = self.look() {
            let path = self.path.display();
            UNUSABLE.warn(format_args!("{path}: {error}; what it said before is used as long as it holds"));
        }
        self.series.as_ref()
    }

    pub(super) fn path(&self) -> &std::path::Path {
        &self.path
    }

    fn look(&mut self) -> io::Result<()> {
        let found = fs::metadata(&self.path)?;
        let now = (found.modified()?, found.len());
        if self.read == Some(now) && self.series.is_some() {
            return Ok(());
        }
        let series = Series::parse(&fs::read_to_string(&self.path)?, self.hold).map_err(io::Error::other)?;
        (self.series, self.read) = (Some(series), Some(now));
        Ok(())
    }
}
