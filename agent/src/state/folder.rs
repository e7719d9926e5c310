//! The folder that a node's books are kept in, and who keeps them.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use rustix::fs::{FlockOperation, flock};
use tracing::{info, warn};

use crate::confine::Confinement;

use super::files_thread::FilesThread;
use super::frames::{self, Decoded, MAGIC};
use super::record::Record;

/// The file that holds the books, and the one before it.
const BOOKS: &str = "books";
const BOOKS_BEFORE: &str = "books.old";
const NEW_BOOKS: &str = "books.new";
const DAMAGED_BOOKS: &str = "books.damaged";
/// Locked as long as an agent keeps its books here, and says which one.
const LOCK: &str = "lock";

/// Why no books can be kept in a folder.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another agent keeps its own there.
    #[error(
        "another agent ({who}) keeps its books in {}: stop it, or give this one another folder with --state or \
         state.directory",
        folder.display()
    )]
    Taken {
        /// Which folder.
        folder: PathBuf,
        /// Who it is, by its own account.
        who: String,
    },
    /// It cannot be used.
    #[error(
        "no books can be kept in {} ({error}): let this user create and write it, or name another folder with --state or \
         state.directory",
        folder.display()
    )]
    Unusable {
        /// Which folder.
        folder: PathBuf,
        /// Why.
        error: io::Error,
    },
}

/// The folder, locked, and the file that is appended to.
#[derive(Debug)]
pub struct StateFolder {
    path: PathBuf,
    books: Option<File>,
    files: FilesThread,
    _lock: File,
}

impl StateFolder {
    /// Takes the folder at `path`, which is made if it is not there, and reads what an earlier agent has left there. Books that
    /// are damaged or of another version are said to be, and laid aside. From then on new files are made by a thread that can
    /// make them nowhere else.
    ///
    /// # Errors
    /// When another agent has it, or it cannot be written to.
    pub fn open(path: &Path, confinement: &Arc<Confinement>) -> Result<(Self, Option<Record>), OpenError> {
        let unusable = |error| OpenError::Unusable { folder: path.into(), error };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(unusable)?;
        let lock = take(path)?;
        let record = read(path).map_err(unusable)?;
        let files = FilesThread::start(path, confinement).map_err(unusable)?;
        Ok((Self { path: path.into(), books: None, files, _lock: lock }, record))
    }

    /// Begins a new file with a record of everything; the one before is kept. Returns how long it is.
    ///
    /// # Errors
    /// When the disk does not take it: the file before is still there.
    pub fn begin(&mut self, everything: &Record) -> io::Result<usize> {
        let frame = frames::encode(everything).map_err(io::Error::other)?;
        let length = MAGIC.len() + frame.len();
        self.books = None;
        let path = self.path.clone();
        self.books = Some(self.files.run(move || replace(&path, &frame))??);
        Ok(length)
    }

    /// Appends what has changed to the file. Returns how long that is; `None` where there is no file to append to, after one
    /// could not be written.
    ///
    /// # Errors
    /// When the disk does not take all of it. Nothing more is appended until a new file is begun.
    pub fn append(&mut self, changes: &Record) -> io::Result<Option<usize>> {
        let Some(mut file) = self.books.take() else { return Ok(None) };
        let frame = frames::encode(changes).map_err(io::Error::other)?;
        file.write_all(&frame)?;
        self.books = Some(file);
        Ok(Some(frame.len()))
    }

    /// Waits until what was written is on the disk, for good.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn sync(&self) -> io::Result<()> {
        self.books.as_ref().map_or(Ok(()), File::sync_all)?;
        File::open(&self.path)?.sync_all()
    }

    /// The same on a thread of its own: a disk may take its time. What goes wrong is told with the next write.
    pub fn sync_later(&self) {
        let Some(Ok(books)) = self.books.as_ref().map(File::try_clone) else { return };
        let path = self.path.clone();
        let sync = move || books.sync_all().and_then(|()| File::open(path)?.sync_all());
        // Without a thread the kernel writes it when it likes, half a minute later at most.
        let _ = self.files.run(|| thread::Builder::new().name("prony-sync".into()).spawn(sync));
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Begins a new file; the one before is kept.
fn replace(folder: &Path, frame: &[u8]) -> io::Result<File> {
    let new = folder.join(NEW_BOOKS);
    let mut file = private().truncate(true).open(&new)?;
    file.write_all(&MAGIC)?;
    file.write_all(frame)?;
    let books = folder.join(BOOKS);
    match fs::rename(&books, folder.join(BOOKS_BEFORE)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    fs::rename(&new, &books)?;
    Ok(file)
}

pub(super) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create(true).mode(0o600);
    options
}

fn take(folder: &Path) -> Result<File, OpenError> {
    let unusable = |error| OpenError::Unusable { folder: folder.into(), error };
    let mut lock = private().read(true).truncate(false).open(folder.join(LOCK)).map_err(unusable)?;
    match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(rustix::io::Errno::WOULDBLOCK) => {
            let mut who = String::new();
            // Who does not say who it is has only just begun.
            let _ = lock.read_to_string(&mut who);
            let who = if who.is_empty() { "which does not say its number" } else { who.trim_end() };
            return Err(OpenError::Taken { folder: folder.into(), who: who.into() });
        }
        Err(error) => return Err(unusable(error.into())),
    }
    let us = format!("pid {}, version {}\n", std::process::id(), env!("CARGO_PKG_VERSION"));
    let written = lock.set_len(0).and_then(|()| lock.rewind()).and_then(|()| lock.write_all(us.as_bytes()));
    written.map_err(unusable)?;
    Ok(lock)
}

/// What is in the newest file that can be read.
fn read(folder: &Path) -> io::Result<Option<Record>> {
    for name in [BOOKS, BOOKS_BEFORE] {
        let path = folder.join(name);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        let why = match frames::decode::<Record>(&bytes) {
            None => "is of another version of prony, or no file of its",
            Some(Decoded { records, rest }) => {
                if rest > 0 && !records.is_empty() {
                    info!(
                        "the last {rest} bytes of {} are no whole record: the machine has lost its power, or the disk was full; \
                         the books go on from before",
                        path.display()
                    );
                }
                let mut records = records.into_iter();
                if let Some(mut record) = records.next() {
                    records.for_each(|later| record.follow(later));
                    if record.ledger.adds_up() {
                        return Ok(Some(record));
                    }
                    "holds books that do not add up"
                } else {
                    "holds no whole record"
                }
            }
        };
        let kept = folder.join(DAMAGED_BOOKS);
        fs::rename(&path, &kept)?;
        warn!(
            "{} {why}: it is kept as {}; the books go on from an older file or begin anew",
            path.display(),
            kept.display()
        );
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(boot: &str) -> Record {
        Record { boot: boot.into(), ..Record::default() }
    }

    fn found(path: &Path) -> Option<String> {
        StateFolder::open(path, &Confinement::none()).unwrap().1.map(|record| record.boot)
    }

    #[test]
    fn what_is_written_is_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b");
        let (mut state, before) = StateFolder::open(&path, &Confinement::none()).unwrap();
        assert!(before.is_none());
        assert!(state.append(&record("x")).unwrap().is_none(), "a file begins with everything");
        assert!(state.begin(&record("1")).unwrap() > 8);
        assert!(state.append(&record("2")).unwrap().is_some());
        drop(state);
        assert_eq!(found(&path).as_deref(), Some("2"));
    }

    #[test]
    fn a_second_agent_is_told_who_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let (state, _) = StateFolder::open(folder.path(), &Confinement::none()).unwrap();
        let error = StateFolder::open(folder.path(), &Confinement::none()).unwrap_err().to_string();
        assert!(error.contains(&format!("pid {}", std::process::id())) && error.contains("--state"), "{error}");
        drop(state);
        assert!(StateFolder::open(folder.path(), &Confinement::none()).is_ok());
    }

    #[test]
    fn damaged_books_are_laid_aside_and_the_ones_before_go_on() {
        let folder = tempfile::tempdir().unwrap();
        let (mut state, _) = StateFolder::open(folder.path(), &Confinement::none()).unwrap();
        state.begin(&record("1")).unwrap();
        state.begin(&record("2")).unwrap();
        drop(state);
        fs::write(folder.path().join(BOOKS), b"nonsense").unwrap();
        assert_eq!(found(folder.path()).as_deref(), Some("1"));
        assert!(folder.path().join(DAMAGED_BOOKS).exists());
        fs::write(folder.path().join(BOOKS_BEFORE), MAGIC).unwrap();
        assert_eq!(found(folder.path()), None);
    }

    #[test]
    fn a_record_that_was_cut_off_is_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let (mut state, _) = StateFolder::open(folder.path(), &Confinement::none()).unwrap();
        state.begin(&record("1")).unwrap();
        state.append(&record("2")).unwrap();
        drop(state);
        let bytes = fs::read(folder.path().join(BOOKS)).unwrap();
        fs::write(folder.path().join(BOOKS), &bytes[..bytes.len() - 1]).unwrap();
        assert_eq!(found(folder.path()).as_deref(), Some("1"));
    }

    #[test]
    fn a_place_where_nothing_can_be_written_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "").unwrap();
        let error = StateFolder::open(&path, &Confinement::none()).unwrap_err();
        assert!(matches!(error, OpenError::Unusable { .. }), "{error}");
    }
}
