//! What measures energy. A source yields [`Reading`]s and knows nothing of windows or consumers.

pub mod esp32;
pub mod estimate;
pub mod hwmon;
pub mod meter;
mod metering;
pub mod rapl;
mod reading;

pub use metering::Outcome as DatagramOutcome;
pub use reading::{
    Counter, CounterRange, IdlePower, Measure, NotAZone, PROCESSORS_UPDATE, Provenance, Reading, SourceId, Zone,
    ZoneName,
};

use crate::clock::Timestamp;

/// How a source stopped giving readings.
#[derive(Debug, thiserror::Error)]
pub enum SourceEnd {
    /// It will not work on this machine or with this configuration; the text names what to do.
    #[error("{0}")]
    Fatal(String),
    /// It does not work now and should be tried again later.
    #[error("{0}")]
    Retry(String),
    /// It has nothing more to give (a finite trace, a zone that was unplugged).
    #[error("ended")]
    Finished,
}

/// A source that is cheap to read and is read at the very end of each window (RAPL, estimates).
pub trait SampledSource: Send {
    /// Which source this is.
    fn id(&self) -> &SourceId;

    /// Appends the readings of all its zones as of `at` to `readings`. One unreadable zone does not keep the others
    /// from being read.
    fn sample(&mut self, at: Timestamp, readings: &mut Vec<Reading>) -> Result<(), SourceEnd>;
}
