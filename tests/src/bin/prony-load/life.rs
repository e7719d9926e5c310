//! A life: some CPU time, then the end.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

pub(crate) fn run(cpu_time: Duration) {
    while Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)).unwrap_or_default() < cpu_time {
        std::hint::spin_loop();
    }
}
