//! Who a cgroup or a process is: names, paths, containers.
//!
//! [`Names`] is plain state that lifecycle events are applied to. The files that are read beside them (cgroup
//! directories, `/proc/PID`, `/proc/cpuinfo`) are each in a file of their own; [`Identity`] puts the two together.

pub mod cgroup_mount;
mod cgroup_names;
mod cgroup_paths;
pub mod cgroup_v1;
mod container;
mod cpu_facts;
mod function;
mod function_rules;
mod interner;
mod living_processes;
pub mod metadata;
mod metadata_news;
mod names;
mod observer;
mod process_files;
pub mod process_stat;
mod timeline;
mod work_kinds;
mod workloads;

pub use cgroup_names::CgroupName;
pub use cgroup_paths::CgroupPaths;
pub use container::{Container, container_of};
pub use cpu_facts::{CpuFacts, NodeFacts};
pub use function::{Function, FunctionId, Platform};
pub use function_rules::FunctionRules;
pub use living_processes::LivingProcesses;
pub use metadata_news::{ContainerFacts, Labels, MetadataNews, Owner, PodFacts};
pub use names::{ConsumerName, Names};
pub use observer::Identity;
pub use process_files::ProcessFiles;
pub use timeline::Timeline;
pub use work_kinds::work_kinds;
pub use workloads::Workloads;
