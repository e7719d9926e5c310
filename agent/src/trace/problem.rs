//! What may be wrong with a trace.

/// What is wrong, and in which line.
#[derive(Debug, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct TraceError {
    /// The line, from 1.
    pub line: u64,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What is wrong with a line.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// It cannot be read from the file.
    #[error("it cannot be read: {0}")]
    Unreadable(#[from] std::io::Error),
    /// It is not what the format says.
    #[error("{0}: see docs/trace.md for what a line has")]
    Malformed(#[from] serde_json::Error),
    /// The first line is not a trace's.
    #[error("a trace begins with {{\"prony_trace\":1,\"node\":\"..\",\"cpus\":[..]}}")]
    NoHeader,
    /// It was written by something newer.
    #[error("it is of version {0}, and this program knows version 1: use a newer one")]
    Version(u32),
    /// It says nothing.
    #[error("it has none of activity, reading, esp32, exec, exit, invocation and function")]
    Empty,
    /// No such CPU.
    #[error("it has CPU {0}, which the first line does not list under \"cpus\"")]
    UnknownCpu(u32),
    /// The first line has a CPU twice.
    #[error("it lists CPU {0} twice")]
    RepeatedCpu(u32),
    /// Windows overlap or have no length.
    #[error(
        "its activity goes from {from} to {to}, but each window has to end later than it begins, and to begin at or \
             after the end of the one before ({newest})"
    )]
    OutOfOrder {
        /// Where it begins, nanoseconds.
        from: u64,
        /// Where it ends.
        to: u64,
        /// Where the one before ended.
        newest: u64,
    },
    /// More time than there is.
    #[error(
        "its idle and CPU times add up to {told} ns, and its CPUs have {most} ns in that time: that is more than can have been handed out late"
    )]
    TooMuchTime {
        /// What they add up to.
        told: u128,
        /// CPUs times the window's length.
        most: u128,
    },
    /// More cycles or instructions than any processor has.
    #[error(
        "the {name} under \"counters\" add up to {told}, and its CPUs have {most} ns in that time: no processor does \
             over 1,000 in a nanosecond"
    )]
    TooManyCounts {
        /// Of what.
        name: &'static str,
        /// What they add up to.
        told: u128,
        /// CPUs times the window's length.
        most: u128,
    },
    /// A time that no clock shows.
    #[error("{0} is no time: times are nanoseconds below 2^62")]
    NoTime(u64),
    /// A reading of a zone that there is none of.
    #[error("{0}")]
    NotAZone(#[from] crate::source::NotAZone),
    /// A reading without a value, or with two.
    #[error("a reading has either cumulative_uj or power_uw, which is 0 to 1e15")]
    NoMeasure,
    /// An uncertainty that is none.
    #[error("\"uncertainty\" is relative, 0 or more")]
    Uncertainty,
    /// An invocation that is not to be found.
    #[error("an invocation has a cgroup, or a function, or both")]
    NoPlace,
}
