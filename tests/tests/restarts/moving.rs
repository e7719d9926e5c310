//! A meter that the tests move.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use prony_tests::{CgroupFolder, FakeRapl, Zone};

/// What the package draws whoever runs, and for each CPU second, in watts: so little that its counter, whose range is small,
/// wraps at most once while no agent is there.
pub(crate) const STATIC: f64 = 1.25;
const PER_CPU: f64 = 2.0;

/// A package's counter that follows what runs on the machine, until this is dropped.
pub(crate) struct Moving {
    stop: Arc<AtomicBool>,
    moved: Arc<AtomicU64>,
    thread: Option<JoinHandle<Result<()>>>,
}

impl Moving {
    pub(crate) fn begin(rapl: Arc<FakeRapl>) -> Result<Self> {
        let everything = CgroupFolder::at("/")?;
        let before = everything.usage()?;
        let (stop, moved) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let thread = {
            let (stop, moved) = (Arc::clone(&stop), Arc::clone(&moved));
            spawn(move || {
                let began = Instant::now();
                while !stop.load(Ordering::Relaxed) {
                    sleep(Duration::from_millis(5));
                    let used = everything.usage()?.saturating_sub(before);
                    let joules = STATIC * began.elapsed().as_secs_f64() + PER_CPU * used.as_secs_f64();
                    let total = (joules * 1e6) as u64;
                    moved.store(total, Ordering::Relaxed);
                    // After its largest value comes zero.
                    rapl.set(Zone::Package, total % (FakeRapl::RANGE + 1))?;
                }
                Ok(())
            })
        };
        Ok(Self { stop, moved, thread: Some(thread) })
    }

    /// Stops it; how far it has moved in all, in microjoules.
    pub(crate) fn end(mut self) -> Result<u64> {
        self.stop.store(true, Ordering::Relaxed);
        let thread = self.thread.take().context("it has ended")?;
        thread.join().map_err(|_| anyhow::anyhow!("the counter's thread has failed"))??;
        let total = self.moved.load(Ordering::Relaxed);
        // Its range is no longer than one microjoule less than how far it goes.
        Ok(total - total / (FakeRapl::RANGE + 1))
    }
}

impl Drop for Moving {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}
