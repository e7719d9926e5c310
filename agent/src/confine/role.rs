//! What a thread of the agent has to do.

use std::path::PathBuf;

/// The work of a thread, which says what it keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// Waits for signals and reads the configuration anew.
    Attend,
    /// Talks: to scrapers and subscribers, meters on the network, the kubelet, container engines, collectors and databases.
    Serve,
    /// Closes windows: reads what the kernel side counts, names processes, and appends to books that are open.
    Account,
    /// Reads files of the machine.
    Measure,
    /// Writes to a file that is open.
    Record,
    /// Makes files in this folder, and reads and writes those that are there.
    Write(PathBuf),
}
