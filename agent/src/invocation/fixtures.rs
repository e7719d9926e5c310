//! Ticks and consumers for tests.

use std::sync::Arc;

use crate::activity::{ActivityWindow, CgroupId, ConsumerId, Pid, ShardId, Slice, Topology};
use crate::clock::Timestamp;
use crate::units::Nanoseconds;

/// A process in cgroup 7.
pub(super) fn consumer(pid: u32) -> ConsumerId {
    ConsumerId { cgroup: CgroupId(7), pid: Pid(pid), start: Nanoseconds(u64::from(pid)) }
}

/// A window in which these processes of cgroup 7 ran for so long.
pub(super) fn tick(from: u64, to: u64, cpu_times: &[(u32, u64)]) -> ActivityWindow {
    let slice = |&(pid, cpu_time): &(u32, u64)| Slice {
        consumer: consumer(pid),
        shard: ShardId(0),
        cpu_time: Nanoseconds(cpu_time),
    };
    ActivityWindow {
        from: Timestamp(from),
        to: Timestamp(to),
        slices: cpu_times.iter().map(slice).collect(),
        idle: Vec::new(),
        topology: Arc::new(Topology::default()),
        counts: Vec::new(),
        kinds: Arc::default(),
    }
}
