//! What ran where and for how long: from the kernel side's counters to one window after the other.

mod consumer;
mod cpu_list;
mod ended_processes;
mod handed_out;
mod lifecycle;
mod owners;
mod slot_memory;
mod socket_request;
mod sysfs_topology;
mod topology;
mod tracker;
mod window;
mod work_kinds;

pub use consumer::{CgroupId, Comm, ConsumerId, Pid};
pub use cpu_list::parse_cpu_list;
pub use handed_out::HandedOut;
pub use lifecycle::Lifecycle;
pub use slot_memory::{CpuReading, Occupant, SlotMemory, SlotOwner};
pub use socket_request::SocketRequest;
pub use sysfs_topology::read_topology;
pub use topology::{Core, CoreKind, CpuPlace, ShardId, Shards, Topology};
pub use tracker::Tracker;
pub use window::{ActivityWindow, Counts, Slice};
pub use work_kinds::{WorkKind, WorkKinds};
