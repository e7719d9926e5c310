//! Who ran on a zone, and how much.

use crate::activity::ActivityWindow;
use crate::fuse::Drawn;

/// The consumers that ran on the CPUs of `package` (of the whole machine for `None`), each once, with their CPU time in
/// nanoseconds. This is the activity that dynamic energy follows, with one weight for everybody.
pub(super) fn cpu_time(window: &ActivityWindow, package: Option<u32>) -> Drawn {
    let mut out = Drawn::default();
    for slice in &window.slices {
        let elsewhere = package.is_some_and(|wanted| window.topology.package_of(slice.shard) != wanted);
        if !elsewhere && !slice.cpu_time.is_zero() {
            out.add(slice.consumer, slice.cpu_time.0 as f64);
        }
    }
    out
}
