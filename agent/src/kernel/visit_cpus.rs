//! One switch on every CPU, so that the accounting has begun everywhere.

use std::sync::Arc;

use rustix::thread::{CpuSet, sched_setaffinity};

use crate::activity::Topology;
use crate::confine::{Confinement, Role};

/// Moves a thread over all CPUs, each once. A task that has run since before the programs were attached, and never
/// yields, is switched away from for a moment and is known from then on. CPUs that this process may not use, and CPUs
/// that are offline, are left out: their first switch will come by itself.
pub fn visit_every_cpu(topology: &Topology, confinement: &Arc<Confinement>) {
    let cpus: Vec<usize> = topology.cpus().iter().map(|place| place.cpu as usize).collect();
    // A thread of its own: on a CPU taken by a real-time task it may wait for long, and nobody has to wait with it.
    let visitor = confinement.spawn("prony-visit", Role::Measure, move || {
        for cpu in cpus.into_iter().filter(|&cpu| cpu < CpuSet::MAX_CPU) {
            let mut only = CpuSet::new();
            only.set(cpu);
            if sched_setaffinity(None, &only).is_ok() {
                // Two tasks can share the CPU without a switch between them only if this thread never sleeps.
                std::thread::sleep(std::time::Duration::from_micros(50));
            }
        }
    });
    if let Err(error) = visitor {
        tracing::debug!("the CPUs are not visited ({error}); each is known from its first switch on");
    }
}
