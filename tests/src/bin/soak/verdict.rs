//! What is to be thought of it.

use std::fmt;

use prony_tests::bench::median;

use crate::table::mebibytes;
use crate::watch::State;

/// By how much memory may grow over the second half.
const GROWTH: f64 = 0.05;

/// One thing that was looked at.
#[derive(Clone, Debug)]
pub(crate) struct Finding {
    what: String,
    good: bool,
}

impl Finding {
    /// Whether it is as it should be.
    pub(crate) fn is_good(&self) -> bool {
        self.good
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {}", if self.good { "good: " } else { "WRONG:" }, self.what)
    }
}

/// The part of the states that begins after so many eighths and lasts for one.
fn eighth(states: &[State], number: usize) -> &[State] {
    &states[states.len() * number / 8..states.len() * (number + 1) / 8]
}

/// What is usual of them. Clients come and go: single figures mean little.
fn usual(states: &[State], figure: impl Fn(&State) -> f64) -> f64 {
    median(states.iter().map(figure).collect())
}

/// All that was looked at. Books and counters are looked at with each state, which ends all where they are wrong.
pub(crate) fn of(states: &[State], log: &str) -> Vec<Finding> {
    let [middle, end] = [eighth(states, 4), eighth(states, 7)];
    let resident = |state: &State| mebibytes(state.footprint.resident as f64);
    let (before, after) = (usual(middle, resident), usual(end, resident));
    let growth = after / before - 1.0;
    let memory =
        format!("{before:.1} MiB resident after half of the time, {after:.1} at the end: {:+.2} %", growth * 100.0);
    let least = |part: &[State], figure: fn(&State) -> usize| part.iter().map(figure).min().unwrap_or(0);
    let constant = |what: &str, figure: fn(&State) -> usize| {
        let half = states.len() / 2;
        let (before, after) = (least(&states[..half], figure), least(&states[half..], figure));
        Finding {
            what: format!("{what}: {before} at the least in the first half, {after} in the second"),
            good: after <= before + 1,
        }
    };
    let total = |figure: fn(&State) -> f64| states.last().map_or(f64::NAN, figure);
    vec![
        Finding { what: memory, good: growth < GROWTH },
        constant("descriptors", |state| state.footprint.descriptors),
        constant("threads", |state| state.footprint.threads),
        Finding {
            what: format!("books looked at {} times, exact each time; no counter fell", states.len()),
            good: !states.is_empty() && states.iter().all(|state| state.books_error < 0.5),
        },
        Finding {
            what: format!("{} windows closed, {} joined with the next", total(|it| it.windows), total(|it| it.missed)),
            good: total(|it| it.windows) > 0.0,
        },
        Finding {
            what: format!("{} scrapes refused for want of time, each counted", total(|it| it.refused)),
            good: true,
        },
        Finding {
            what: format!("{} events or slots lacked, and the log says so", total(|it| it.lost)),
            good: total(|it| it.lost) < 0.5
                || ["kernel_events_lost", "slots_exhausted"].iter().any(|kind| log.contains(kind)),
        },
    ]
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use prony_tests::Footprint;

    use super::*;

    fn states(resident: impl Fn(u64) -> u64, descriptors: impl Fn(u64) -> usize) -> Vec<State> {
        let state = |number| State {
            at: Duration::from_secs(5 * number),
            footprint: Footprint { descriptors: descriptors(number), threads: 8, resident: resident(number) << 20 },
            books_error: 0.0,
            windows: 50.0 * number as f64,
            missed: 0.0,
            lost: 0.0,
            refused: 0.0,
            reboots: 0.0,
            joules: 1.0,
        };
        (1..=80).map(state).collect()
    }

    fn wrong(states: &[State]) -> Vec<String> {
        of(states, "").iter().filter(|finding| !finding.is_good()).map(ToString::to_string).collect()
    }

    #[test]
    fn what_grows_is_found() {
        assert_eq!(wrong(&states(|_| 50, |number| 40 + number as usize % 7)), Vec::<String>::new());
        assert!(wrong(&states(|number| 50 + number / 4, |_| 40))[0].contains("MiB"));
        assert!(wrong(&states(|_| 50, |number| 40 + number as usize / 10))[0].contains("descriptors"));
        assert_eq!(
            wrong(&states(|number| 50 + number.min(30), |_| 40)),
            Vec::<String>::new(),
            "at the beginning it may"
        );
    }
}
