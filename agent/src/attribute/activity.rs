//! Who ran on a zone, and how much.

use crate::activity::{ActivityWindow, ConsumerId};

/// The consumers that ran on the CPUs of `package` (of the whole machine for `None`), each once, with their CPU time in
/// nanoseconds. This is the activity that dynamic energy follows, with one weight for everybody.
pub(super) fn cpu_time(window: &ActivityWindow, package: Option<u32>) -> (Vec<ConsumerId>, Vec<f64>) {
    let mut consumers: Vec<ConsumerId> = Vec::with_capacity(window.slices.len());
    let mut activity: Vec<f64> = Vec::with_capacity(window.slices.len());
    for slice in &window.slices {
        let elsewhere = package.is_some_and(|wanted| window.topology.package_of(slice.shard) != wanted);
        if elsewhere || slice.cpu_time.is_zero() {
            continue;
        }
        match (consumers.last(), activity.last_mut()) {
            (Some(last), Some(sum)) if *last == slice.consumer => *sum += slice.cpu_time.0 as f64,
            _ => {
                consumers.push(slice.consumer);
                activity.push(slice.cpu_time.0 as f64);
            }
        }
    }
    (consumers, activity)
}
