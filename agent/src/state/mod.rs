//! What the next agent needs to go on where this one stops, however that happens.
//!
//! At the end of every window a record of what has changed is appended to a file, before anybody can see the window's figures
//! ([`StateFolder`]). What a process has written is in the kernel's hands when `write` returns, so that `kill -9` loses
//! nothing; a machine that loses its power loses what was not on the disk yet, and its kernel's counters anyway. From time to
//! time a new file begins with a record of everything, and the one before is kept.

mod files_thread;
mod folder;
mod frames;
mod record;
mod segments;

pub use folder::{OpenError, StateFolder};
pub use record::{Record, WindowRecord};
pub use segments::Segments;
