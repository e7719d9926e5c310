//! Energy of single invocations.
//!
//! Invocations are seen by the kernel (a process each, or a request on a socket) or are reported. Their energy is a part of
//! what the container used that they ran in, by CPU time.

mod alignment;
mod book;
mod claims;
mod clock_offset;
mod finished;
#[cfg(test)]
mod fixtures;
mod handle;
mod histogram;
mod history;
mod observed;
mod processes;
mod refusal;
mod reporter_clocks;
mod resume;
mod totals;
mod unexplained;

pub use book::{BookOptions, InvocationBook};
pub use clock_offset::ClockOffset;
pub use finished::{Finished, ZoneEnergy};
pub use handle::{Answers, Ended, InvocationHandle};
pub use histogram::{BUCKETS, Exemplar, Histogram};
pub use observed::{By, Observed, Place, Reporter, ReporterId, Taken};
pub use refusal::Refusal;
pub use resume::TotalsRecord;
pub use totals::{FunctionTotals, Phase, Phases};
