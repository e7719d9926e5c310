//! Why an invocation is not in the books.

use crate::telemetry;

/// Why an invocation is not in the books.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It ends before it begins, lasts longer than a day, or has used no amount of CPU time that there is.
    #[error(
        "it ends before it begins, lasts longer than a day, or says that it has used an impossible amount of CPU time"
    )]
    Impossible,
    /// It ends in the future.
    #[error("it ends more than a second from now: are the clocks in step?")]
    InTheFuture,
    /// It has no beginning or no end.
    #[error("it has no beginning or no end: report it once it has ended")]
    OpenEnded,
    /// Its ids or names are none.
    #[error("its ids have a wrong length, or its id has more than 128 bytes, or the name of its place more than 512")]
    Malformed,
    /// Its energy is settled already.
    #[error("it ended too long ago: report it sooner, or raise invocation.lateness")]
    TooLate,
    /// Too many wait to be settled.
    #[error("too many invocations wait to be settled")]
    TooMany,
    /// It ran in no container of a function that is known.
    #[error("it ran in no container of a function that is known here")]
    NoFunction,
}

impl Refusal {
    /// The name in the metrics.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Impossible => "impossible",
            Self::InTheFuture => "in_the_future",
            Self::OpenEnded => "open_ended",
            Self::Malformed => "malformed",
            Self::TooLate => "too_late",
            Self::TooMany => "too_many",
            Self::NoFunction => "no_function",
        }
    }

    /// Counts it.
    pub fn count(self) {
        metrics::counter!(telemetry::INVOCATIONS_REFUSED.name, "reason" => self.label()).increment(1);
    }
}
