//! The kernel side's counterpart in userspace: loads the programs, maps their memory, reads it. The only module with
//! `unsafe`.
#![expect(unsafe_code, reason = "shared memory with the kernel, and system calls that have no safe wrapper")]

mod arrays;
mod btf_layout;
mod counter_events;
mod counters;
mod events;
mod freeing;
mod load;
mod no_counters;
mod on_demand;
pub mod perf_event;
mod pins;
mod program_cost;
mod shared_array;
mod shared_memory;
mod sockets;
mod visit_cpus;

pub use btf_layout::{Layout, LayoutError};
pub use counter_events::CounterEvents;
pub use counters::CounterState;
pub use events::{EventRing, RecentPaths, decode_event};
pub use load::{Attachment, KernelSide, LoadError, LoadOptions};
pub use no_counters::NoCounters;
pub use pins::{PinError, PinOptions, Pinned};
pub use program_cost::{ProgramCost, RunTime};
pub use shared_memory::{KernelCounts, SharedMemory};
pub use sockets::{SocketCounts, Sockets, WatchError};
pub use visit_cpus::visit_every_cpu;
