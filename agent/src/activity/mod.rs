//! What ran where and for how long: the types that the kernel side yields once per window.

mod consumer;
mod lifecycle;
mod topology;
mod window;

pub use consumer::{CgroupId, Comm, ConsumerId, Pid};
pub use lifecycle::Lifecycle;
pub use topology::{CoreKind, CpuPlace, ShardId, Topology};
pub use window::{ActivityWindow, Slice};
