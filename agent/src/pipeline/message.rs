//! What the other threads tell the pipeline.

use crate::config::Config;
use crate::snapshot::Request;
use crate::source::Reading;

/// A message to the thread that closes windows.
#[derive(Debug)]
pub(super) enum Message {
    /// A source that runs on its own has measured something.
    Readings(Vec<Reading>),
    /// An exporter wants a picture.
    Snapshot(Request),
    /// The configuration was loaded anew.
    Reload(Box<Config>),
    /// The agent ends: close the running window and return.
    Stop,
}
