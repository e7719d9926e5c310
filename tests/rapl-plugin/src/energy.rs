//! What the parts of a package have drawn, and what their counters show of it.

use std::sync::Mutex;
use std::time::Duration;

use crate::processors;

/// Counters move about every 0.976 ms (Hähnel et al., "Measuring Energy Consumption for Short Code Paths Using RAPL").
const UPDATED_EVERY: Duration = Duration::from_micros(976);
const PACKAGES: usize = 8;
/// What is left until a counter wraps after [`rewind`], in joules.
const UNTIL_WRAP: f64 = 60.0;

/// A part of a package that has a counter of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Package,
    Cores,
    Memory,
}

pub(crate) const PARTS: [Part; 3] = [Part::Package, Part::Cores, Part::Memory];

impl Part {
    /// Watts of an idle package, and what each running processor adds.
    fn watts(self) -> (f64, f64) {
        match self {
            Self::Package => (12.0, 20.0),
            Self::Cores => (2.0, 17.0),
            Self::Memory => (3.0, 1.5),
        }
    }
}

/// Where a counter stands.
#[derive(Clone, Copy)]
struct Counter {
    at: Duration,
    joules: f64,
    /// What is added to what was drawn, in joules, so that it wraps soon.
    ahead: f64,
}

static COUNTERS: Mutex<[[Counter; PARTS.len()]; PACKAGES]> =
    Mutex::new([[Counter { at: Duration::ZERO, joules: 0.0, ahead: 0.0 }; PARTS.len()]; PACKAGES]);

/// What the part has drawn since the beginning, in joules.
pub(crate) fn drawn(package: usize, part: Part) -> f64 {
    let now = processors::now();
    let (idle, running) = part.watts();
    idle * now.as_secs_f64() + running * processors::ran(package, now).as_secs_f64()
}

/// What the part's register shows, in units of 2^-`unit` J.
pub(crate) fn register(package: usize, part: Part, unit: u32) -> u32 {
    let mut counters = COUNTERS.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let Some(counter) = counters.get_mut(package).map(|counters| &mut counters[part as usize]) else { return 0 };
    let now = processors::now();
    if now.saturating_sub(counter.at) >= UPDATED_EVERY || counter.joules == 0.0 {
        // Processors that come to rest meanwhile are read one after the other: never back.
        *counter = Counter { at: now, joules: drawn(package, part).max(counter.joules), ..*counter };
    }
    let units = (counter.joules + counter.ahead) * f64::from(1_u32 << unit);
    // Drivers take a counter of 0 for one that is not there.
    ((units as u64 % (1 << 32)) as u32).max(1)
}

/// Puts every counter, of units of 2^-`unit(part)` J, 60 J before its next wrap.
pub(crate) fn rewind(unit: impl Fn(Part) -> u32) {
    let mut counters = COUNTERS.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    for (package, counters) in counters.iter_mut().enumerate() {
        for part in PARTS {
            let wraps_at = (1_u64 << (32 - unit(part))) as f64;
            counters[part as usize].ahead = wraps_at - UNTIL_WRAP - drawn(package, part);
        }
    }
}
