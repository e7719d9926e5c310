//! The thread that makes the files of the books.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, Sender};

use crate::confine::{Confinement, Role};

type Work = Box<dyn FnOnce() + Send>;

/// Does what only a thread may that can write to one folder and to nothing else. It ends when this is dropped.
#[derive(Debug)]
pub(super) struct FilesThread {
    work: Sender<Work>,
}

impl FilesThread {
    /// Starts it.
    pub(super) fn start(folder: &Path, confinement: &Arc<Confinement>) -> io::Result<Self> {
        let (work, to_do) = mpsc::channel::<Work>();
        confinement
            .spawn("prony-books", Role::Write(folder.into()), move || to_do.into_iter().for_each(|work| work()))?;
        Ok(Self { work })
    }

    /// Has something done there, and waits for it.
    pub(super) fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
        let (done, result) = mpsc::channel();
        // Whoever has panicked has said so; nobody is left then who would answer.
        let _ = self.work.send(Box::new(move || drop(done.send(work()))));
        result.recv().map_err(|_| io::Error::other("the thread that writes the books has failed"))
    }
}
