//! The kernel side's counterpart in userspace: loads the programs, maps their memory, reads it. The only module with
//! `unsafe`.
#![expect(unsafe_code, reason = "shared memory with the kernel, and system calls that have no safe wrapper")]

mod btf_layout;
mod events;
mod freeing;
mod load;
mod on_demand;
pub mod perf_event;
mod program_cost;
mod shared_array;
mod shared_memory;
mod sockets;
mod visit_cpus;

pub use btf_layout::{Layout, LayoutError};
pub use events::{EventRing, RecentPaths, decode_event};
pub use load::{Attachment, KernelSide, LoadError, LoadOptions};
pub use program_cost::{ProgramCost, RunTime};
pub use shared_memory::{KernelCounts, SharedMemory};
pub use sockets::{SocketCounts, Sockets, WatchError};
pub use visit_cpus::visit_every_cpu;
