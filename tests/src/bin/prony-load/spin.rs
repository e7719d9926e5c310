//! One CPU, without a pause.

use std::time::{Duration, Instant};

pub(crate) fn run(length: Duration) {
    let end = Instant::now() + length;
    while Instant::now() < end {
        std::hint::spin_loop();
    }
}
