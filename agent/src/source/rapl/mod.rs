//! The processor's own energy counters (RAPL), through whichever of the kernel's interfaces there is.

mod accuracy;
mod choose;
mod die_sum;
pub mod perf;
pub mod powercap;

pub use choose::{Choice, Tried, choose};
