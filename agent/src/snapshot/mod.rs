//! What the exporters see: an immutable picture of the books, made when somebody asks for it.

mod handle;
mod picture;

pub use handle::{Request, SnapshotHandle, Stopped};
pub use picture::{
    CgroupLine, CommandLine, EnergyLine, Generation, LineState, OtherLine, ProcessLine, Snapshot, ZoneLine,
};

pub use crate::identity::{Container, CpuFacts, NodeFacts};
