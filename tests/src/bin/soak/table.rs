//! How the agent was, from beginning to end.

use crate::watch::State;

/// How many lines are enough.
const LINES: usize = 16;

/// Prints some of the states, evenly spread, and the last one.
pub(crate) fn print(states: &[State]) {
    println!(
        "| after | MiB resident | descriptors | threads | windows | joined | lost | reboots | J measured | books off by |"
    );
    println!("|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|");
    let step = states.len().div_ceil(LINES).max(1);
    let (last, others) = states.split_last().map_or((None, states), |(last, others)| (Some(last), others));
    for state in others.iter().step_by(step).chain(last) {
        println!(
            "| {:.0} s | {:.1} | {} | {} | {} | {} | {} | {} | {:.1} | {} µJ |",
            state.at.as_secs_f64(),
            mebibytes(state.footprint.resident as f64),
            state.footprint.descriptors,
            state.footprint.threads,
            state.windows,
            state.missed,
            state.lost,
            state.reboots,
            state.joules,
            state.books_error
        );
    }
}

/// As tables have it.
pub(crate) fn mebibytes(bytes: f64) -> f64 {
    bytes / f64::from(1 << 20)
}
