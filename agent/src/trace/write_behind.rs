//! Writes in a thread of its own, so that who has something to write need not wait.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Scope, ScopedJoinHandle};

/// How much is written at once, bytes, and how many times that much at most waits.
const AT_ONCE: usize = 1 << 18;
const WAITING: usize = 4;

/// See the module.
#[derive(Debug)]
pub(super) struct WriteBehind<'scope> {
    text: Vec<u8>,
    /// Until it has ended.
    writer: Option<Writer<'scope>>,
}

#[derive(Debug)]
struct Writer<'scope> {
    to: SyncSender<Vec<u8>>,
    thread: ScopedJoinHandle<'scope, io::Result<()>>,
}

impl<'scope> WriteBehind<'scope> {
    /// Writes to `out`.
    pub(super) fn new(out: impl Write + Send + 'scope, scope: &'scope Scope<'scope, '_>) -> Self {
        let (to, texts) = sync_channel(WAITING);
        let thread = scope.spawn(move || write(out, &texts));
        Self { text: Vec::with_capacity(AT_ONCE + AT_ONCE / 4), writer: Some(Writer { to, thread }) }
    }

    /// Where to append what is to be written; [`Self::pass_on`] is to be called after that.
    pub(super) fn text(&mut self) -> &mut Vec<u8> {
        &mut self.text
    }

    /// Has it written, if it is much.
    ///
    /// # Errors
    /// When something could not be written that was passed on earlier.
    pub(super) fn pass_on(&mut self) -> io::Result<()> {
        if self.text.len() < AT_ONCE { Ok(()) } else { self.send() }
    }

    /// Has all of it written, and waits for that.
    ///
    /// # Errors
    /// When something could not be written.
    pub(super) fn end(mut self) -> io::Result<()> {
        self.send()?;
        self.joined()
    }

    fn send(&mut self) -> io::Result<()> {
        let text = std::mem::replace(&mut self.text, Vec::with_capacity(AT_ONCE + AT_ONCE / 4));
        match &self.writer {
            Some(Writer { to, .. }) if to.send(text).is_ok() => Ok(()),
            _ => self.joined(),
        }
    }

    /// What has become of the writer, once it has ended.
    fn joined(&mut self) -> io::Result<()> {
        let Some(Writer { to, thread }) = self.writer.take() else {
            return Err(io::Error::other("nothing more can be written"));
        };
        drop(to);
        thread.join().unwrap_or_else(|_| Err(io::Error::other("the thread that writes has panicked")))
    }
}

fn write(mut out: impl Write, texts: &Receiver<Vec<u8>>) -> io::Result<()> {
    for text in texts {
        out.write_all(&text)?;
    }
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes so many bytes.
    struct Small(usize);

    impl Write for Small {
        fn write(&mut self, text: &[u8]) -> io::Result<usize> {
            self.0 = self.0.checked_sub(text.len()).ok_or(io::ErrorKind::StorageFull)?;
            Ok(text.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Writes so many times as much as is written at once.
    fn written(out: impl Write + Send, times: usize) -> io::Result<()> {
        std::thread::scope(|scope| {
            let mut behind = WriteBehind::new(out, scope);
            for part in 0..times {
                behind.text().resize(AT_ONCE, part as u8);
                behind.pass_on()?;
            }
            behind.text().extend(b"end");
            behind.end()
        })
    }

    #[test]
    fn all_is_written_in_order() {
        let mut out = Vec::new();
        written(&mut out, 9).unwrap();
        assert_eq!(out.len(), 9 * AT_ONCE + 3);
        assert!((0..9).all(|part| out[part * AT_ONCE..][..AT_ONCE].iter().all(|byte| usize::from(*byte) == part)));
        assert!(out.ends_with(b"end"));
    }

    #[test]
    fn what_could_not_be_written_is_told() {
        for times in [1, 9] {
            let error = written(Small(AT_ONCE / 2), times).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        }
    }
}
