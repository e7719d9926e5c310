//! Problems told once, then rarely, and always counted: the first occurrence is logged at once, further ones at most
//! once a minute with how many there were, and every one is in `prony_problems_total{kind}`.

use std::fmt::Display;
use std::sync::Mutex;
use std::time::{Duration, Instant};

const REPEAT_AFTER: Duration = Duration::from_mins(1);

/// One kind of problem of one part of the agent.
#[derive(Debug)]
pub struct Notice {
    kind: &'static str,
    told: Mutex<Option<Told>>,
}

#[derive(Debug)]
struct Told {
    at: Instant,
    since_then: u64,
}

impl Notice {
    /// A notice whose `kind` is the metric's label: a few lower-case words joined by underscores.
    pub const fn new(kind: &'static str) -> Self {
        Self { kind, told: Mutex::new(None) }
    }

    /// Counts the problem and logs it if it is time. `message` says what is wrong and how to mend it.
    pub fn warn(&self, message: impl Display) {
        metrics::counter!(crate::telemetry::PROBLEMS.name, "kind" => self.kind).increment(1);
        let mut told = self.told.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        match told.as_mut() {
            Some(earlier) if earlier.at.elapsed() < REPEAT_AFTER => earlier.since_then += 1,
            Some(earlier) => {
                tracing::warn!(kind = self.kind, "{message} ({} more since the last message)", earlier.since_then);
                *earlier = Told { at: Instant::now(), since_then: 0 };
            }
            None => {
                tracing::warn!(kind = self.kind, "{message}");
                *told = Some(Told { at: Instant::now(), since_then: 0 });
            }
        }
    }
}
