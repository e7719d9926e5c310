//! What the other threads tell the pipeline.

use tokio::sync::oneshot;

use crate::clock::Timestamp;
use crate::config::Config;
use crate::identity::MetadataNews;
use crate::invocation::{Answers, Observed};
use crate::snapshot::Request;
use crate::source::Reading;
use crate::source::estimate::PowerProfile;

/// A message to the thread that closes windows.
#[derive(Debug)]
pub(super) enum Message {
    /// A source that runs on its own has measured something.
    Readings(Vec<Reading>),
    /// A source of metadata tells of pods and containers; when it was heard.
    Metadata(Timestamp, Vec<MetadataNews>),
    /// Invocations are reported; the reply says for each whether it was taken.
    Observed(Vec<Observed>, oneshot::Sender<Answers>),
    /// An exporter wants a picture.
    Snapshot(Request),
    /// It has become known what this cloud instance draws.
    Instance(Box<PowerProfile>),
    /// The configuration was loaded anew.
    Reload(Box<Config>),
    /// The agent ends: close the running window and return.
    Stop,
}
