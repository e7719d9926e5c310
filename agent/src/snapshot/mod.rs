//! What the exporters see: an immutable picture of the books, made when somebody asks for it.

mod handle;
mod picture;

pub use handle::{Request, SnapshotHandle, Stopped};
pub use picture::{
    CgroupLine, CommandLine, Container, CpuFacts, EnergyLine, Generation, LineState, NodeFacts, OtherLine, ProcessLine,
    Snapshot, ZoneLine,
};
