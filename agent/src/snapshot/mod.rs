//! What the exporters see: an immutable picture of the books, made when somebody asks for it.

mod build;
mod handle;
mod picture;

pub use build::{Context, build};
pub use handle::{Request, SnapshotHandle, Stopped};
pub use picture::{
    CgroupLine, CommandLine, EnergyLine, FunctionLine, InvocationLine, LineState, OtherLine, ProcessLine, Snapshot,
    ZoneLine,
};

pub use crate::identity::{Container, ContainerFacts, CpuFacts, Function, FunctionId, NodeFacts, Platform, PodFacts};
pub use crate::ledger::{Epoch, Generation};

#[cfg(test)]
mod build_test;
#[cfg(test)]
mod changes_test;
#[cfg(test)]
mod conservation_test;
#[cfg(test)]
mod functions_test;
#[cfg(test)]
mod load_test;
#[cfg(test)]
pub(crate) mod test_books;
