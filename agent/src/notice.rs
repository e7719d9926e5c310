//! Problems told once, then rarely, and always counted: the first occurrence is logged at once, further ones at most
//! once a minute with how many there were, and every one is in `prony_problems_total{kind}`.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::Serialize;

const REPEAT_AFTER: Duration = Duration::from_mins(1);

/// How many different warnings are kept at most.
const MOST_SAID: usize = 200;

/// What was said of each kind, by whichever part of the agent; what is of no kind, by its text.
static SAID: Mutex<BTreeMap<String, Said>> = Mutex::new(BTreeMap::new());

/// What was said of a kind of problem since the agent was started.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Said {
    /// `warning` for what is said once and counted nowhere.
    kind: &'static str,
    /// As it was logged last.
    message: String,
    /// How often it was met.
    count: u64,
    /// When it was met last, in milliseconds since the Unix epoch.
    last_unix_ms: u64,
}

/// What was said of all kinds.
pub fn all_said() -> Vec<Said> {
    said().values().cloned().collect()
}

fn said() -> MutexGuard<'static, BTreeMap<String, Said>> {
    SAID.lock().unwrap_or_else(PoisonError::into_inner)
}

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
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        self.note(told.as_ref().is_none_or(|earlier| earlier.at.elapsed() >= REPEAT_AFTER).then_some(&message));
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

    /// Keeps what is logged now, if anything is.
    fn note(&self, message: Option<&impl Display>) {
        note(self.kind, self.kind, message.map(ToString::to_string));
    }
}

/// Keeps a warning that is no notice.
pub fn keep(warning: String) {
    note(&warning.clone(), "warning", Some(warning));
}

fn note(key: &str, kind: &'static str, message: Option<String>) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut all = said();
    if !all.contains_key(key) && all.len() >= MOST_SAID {
        return;
    }
    let said = all.entry(key.to_owned()).or_default();
    said.kind = kind;
    said.count += 1;
    said.last_unix_ms = now.as_millis() as u64;
    if let Some(message) = message {
        said.message = message;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_said_is_kept_with_how_often_it_was_met() {
        let notice = Notice::new("history_unwritable");
        notice.warn("first");
        notice.warn("second, within the minute");
        let said = all_said().into_iter().find(|said| said.kind == "history_unwritable").unwrap();
        assert_eq!((&*said.message, said.count), ("first", 2));
        assert!(said.last_unix_ms > 1_700_000_000_000);
        keep("something is not there".into());
        assert!(all_said().iter().any(|said| said.message == "something is not there" && said.kind == "warning"));
    }
}
