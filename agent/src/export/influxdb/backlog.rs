//! What waits for the database, in bounded memory: compressed batches of lines. When there is no more room, the oldest
//! go.

use std::collections::VecDeque;
use std::io::Write as _;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;

/// The most lines of a batch, as the database's makers advise.
const LINES: u64 = 5_000;
/// The most bytes of a batch before it is compressed.
const BYTES: usize = 1 << 20;

/// Lines that go in one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Batch {
    /// They, compressed by gzip.
    pub(super) body: Bytes,
    /// How many they are.
    pub(super) lines: u64,
}

/// Batches in the order of their time.
#[derive(Debug)]
pub(super) struct Backlog {
    room: usize,
    waiting: VecDeque<Batch>,
    waiting_bytes: usize,
    open: Option<Open>,
}

/// A batch that lines are still added to.
#[derive(Debug)]
struct Open {
    encoder: GzEncoder<Vec<u8>>,
    bytes: usize,
    lines: u64,
}

impl Backlog {
    /// With room for this many bytes.
    pub(super) fn new(room: usize) -> Self {
        Self { room, waiting: VecDeque::new(), waiting_bytes: 0, open: None }
    }

    /// Adds a line; how many had to go for it.
    pub(super) fn push(&mut self, line: &str) -> u64 {
        let open = self.open.get_or_insert_with(Open::new);
        open.push(line);
        // Small rooms have small batches, so that little goes at once.
        if open.lines >= LINES || open.bytes >= BYTES.min(2 * self.room) {
            self.close();
        }
        self.make_room()
    }

    /// Takes the oldest batch; it is the caller's to put back.
    pub(super) fn take(&mut self) -> Option<Batch> {
        if self.waiting.is_empty() {
            self.close();
        }
        let batch = self.waiting.pop_front()?;
        self.waiting_bytes -= batch.body.len();
        Some(batch)
    }

    /// Puts back what could not be sent; how many lines had to go for it.
    pub(super) fn put_back(&mut self, batch: Batch) -> u64 {
        self.waiting_bytes += batch.body.len();
        self.waiting.push_front(batch);
        self.make_room()
    }

    /// How many bytes wait.
    pub(super) fn bytes(&self) -> usize {
        self.waiting_bytes + self.open.as_ref().map_or(0, |open| open.encoder.get_ref().len())
    }

    fn close(&mut self) {
        let Some(batch) = self.open.take().and_then(Open::close) else { return };
        self.waiting_bytes += batch.body.len();
        self.waiting.push_back(batch);
    }

    fn make_room(&mut self) -> u64 {
        let mut gone = 0;
        while self.bytes() > self.room
            && let Some(oldest) = self.waiting.pop_front()
        {
            self.waiting_bytes -= oldest.body.len();
            gone += oldest.lines;
        }
        gone
    }
}

impl Open {
    fn new() -> Self {
        Self { encoder: GzEncoder::new(Vec::new(), Compression::fast()), bytes: 0, lines: 0 }
    }

    fn push(&mut self, line: &str) {
        // Writing to memory does not fail.
        let _ = self.encoder.write_all(line.as_bytes());
        self.bytes += line.len();
        self.lines += 1;
    }

    fn close(self) -> Option<Batch> {
        Some(Batch { body: self.encoder.finish().ok()?.into(), lines: self.lines })
    }
}
