//! When each virtual processor runs and when it rests, as QEMU tells.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{LazyLock, OnceLock};
use std::time::{Duration, Instant};

const MOST: usize = 64;
/// Stands for "rests" where a beginning is expected.
const RESTS: u64 = u64::MAX;

static BEGINNING: LazyLock<Instant> = LazyLock::new(Instant::now);
static PROCESSORS: [Processor; MOST] = [const { Processor::new() }; MOST];
static IN_PACKAGE: OnceLock<usize> = OnceLock::new();

/// Written by its own thread of QEMU alone.
struct Processor {
    /// Nanoseconds, without those since it runs now.
    ran: AtomicU64,
    /// When it began to run, in nanoseconds after the beginning.
    since: AtomicU64,
}

impl Processor {
    const fn new() -> Self {
        Self { ran: AtomicU64::new(0), since: AtomicU64::new(RESTS) }
    }
}

/// How many processors make a package: set once, before any runs.
pub(crate) fn set_package(processors: usize) {
    // A second call would be QEMU's mistake; the first holds.
    let _ = IN_PACKAGE.set(processors.max(1));
    LazyLock::force(&BEGINNING);
}

/// The package that a processor belongs to.
pub(crate) fn package_of(processor: usize) -> usize {
    processor / IN_PACKAGE.get().copied().unwrap_or(MOST)
}

/// Time since the plugin was loaded.
pub(crate) fn now() -> Duration {
    BEGINNING.elapsed()
}

pub(crate) fn runs(processor: usize) {
    if let Some(processor) = PROCESSORS.get(processor)
        && processor.since.load(Ordering::Acquire) == RESTS
    {
        processor.since.store(now().as_nanos() as u64, Ordering::Release);
    }
}

pub(crate) fn rests(processor: usize) {
    let Some(processor) = PROCESSORS.get(processor) else { return };
    let since = processor.since.swap(RESTS, Ordering::AcqRel);
    if since != RESTS {
        processor.ran.fetch_add((now().as_nanos() as u64).saturating_sub(since), Ordering::AcqRel);
    }
}

/// The time that all processors of a package have run until `now`.
pub(crate) fn ran(package: usize, now: Duration) -> Duration {
    let ran = |processor: &Processor| {
        let since = processor.since.load(Ordering::Acquire);
        let running = if since == RESTS { 0 } else { (now.as_nanos() as u64).saturating_sub(since) };
        Duration::from_nanos(processor.ran.load(Ordering::Acquire) + running)
    };
    let of_package = PROCESSORS.iter().enumerate().filter(|(number, _)| package_of(*number) == package);
    of_package.map(|(_, processor)| ran(processor)).sum()
}
