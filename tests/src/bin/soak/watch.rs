//! Looking at the agent while it is under load.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use prony_tests::{Agent, Footprint, Samples, assert_books, assert_nothing_fell};

use crate::GoesOn;

const LOOK_EVERY: Duration = Duration::from_secs(5);

/// How the agent is at a moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct State {
    /// Since the load began.
    pub(crate) at: Duration,
    pub(crate) footprint: Footprint,
    /// What the agent says its books are off, in microjoules.
    pub(crate) books_error: f64,
    pub(crate) windows: f64,
    pub(crate) missed: f64,
    /// Events that were lost, and time that went to the line of all those who have none.
    pub(crate) lost: f64,
    /// Scrapes that were refused, since the machine had no time for them.
    pub(crate) refused: f64,
    pub(crate) reboots: f64,
    pub(crate) joules: f64,
}

/// Looks every few seconds for so long. Books that are wrong, a counter that falls and a load that ends are the end of it.
pub(crate) fn watch(agent: &Agent, length: Duration, going: &GoesOn) -> Result<Vec<State>> {
    let (began, mut states, mut before) = (Instant::now(), Vec::new(), Samples::default());
    while began.elapsed() < length {
        thread::sleep(LOOK_EVERY);
        ensure!(!going.is_over(), "a part of the load has ended early; the agent's log:\n{}", agent.log());
        let footprint = Footprint::of(agent.pid())?;
        // It may be refused too.
        let Ok(samples) = agent.samples() else { continue };
        assert_books(&samples)?;
        // Pids are used again within minutes here, and a process's series goes over to who has its pid and name.
        assert_nothing_fell(&before, &samples.without("pid"));
        states.push(State {
            at: began.elapsed(),
            footprint,
            books_error: samples.matching("prony_books_error_microjoules", &[]).map(|error| error.value.abs()).sum(),
            windows: samples.sum("prony_windows_total", &[]),
            missed: samples.sum("prony_windows_missed_total", &[]),
            lost: samples.sum("prony_events_lost_total", &[]) + samples.sum("prony_overflow_switches_total", &[]),
            refused: samples.sum("prony_problems_total", &[("kind", "snapshot_unanswered")]).abs(),
            reboots: samples.sum("prony_meter_reboots_total", &[]),
            joules: samples.sum("prony_zone_measured_joules_total", &[]),
        });
        before = samples.without("pid");
    }
    Ok(states)
}
