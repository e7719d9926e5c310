//! The load: threads that keep CPUs busy.

use std::hint::black_box;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

/// Threads that each keep a CPU busy. They end when this is dropped, and by themselves after their time.
pub(super) struct Spinners {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Spinners {
    /// Keeps so many CPUs busy, for `at_most` so long.
    pub(super) fn start(count: usize, at_most: Duration) -> io::Result<Self> {
        let mut spinners = Self { stop: Arc::default(), threads: Vec::new() };
        let deadline = Instant::now() + at_most;
        for _ in 0..count {
            let stop = Arc::clone(&spinners.stop);
            let thread = Builder::new().name("prony-spin".into()).spawn(move || spin(&stop, deadline))?;
            spinners.threads.push(thread);
        }
        Ok(spinners)
    }
}

impl Drop for Spinners {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // It has nothing to panic about.
            let _ = thread.join();
        }
    }
}

fn spin(stop: &AtomicBool, deadline: Instant) {
    let mut state: u64 = 1;
    while !stop.load(Ordering::Relaxed) && Instant::now() < deadline {
        // Knuth's MMIX generator: each step needs the one before, and nothing can be left out.
        for _ in 0..10_000 {
            state = black_box(state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_end_when_they_are_dropped_and_after_their_time() {
        let spinners = Spinners::start(2, Duration::from_hours(1)).unwrap();
        let stop = Arc::clone(&spinners.stop);
        drop(spinners);
        assert_eq!(Arc::strong_count(&stop), 1, "no thread is left");

        let mut spinners = Spinners::start(1, Duration::ZERO).unwrap();
        spinners.threads.remove(0).join().unwrap();
    }
}
