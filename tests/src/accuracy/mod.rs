//! Machines whose power is known, what meters see of them, and how far methods of attribution are off.
//!
//! The power of a machine is put together from what is known of processors: switching by voltage, frequency and what runs,
//! shared cores, an uncore that wakes, leakage that grows with temperature, memory, a board around it, and a supply whose
//! efficiency depends on the load. None of it is a formula that the agent uses.

mod estimate;
mod held_out;
mod machine;
mod measured;
mod methods;
mod recorded;
mod run;
mod scenario;
mod scheduler;
mod score;
mod sensors;
mod smartwatts;
mod truth;

pub use estimate::{Energies, Said, by_prony};
pub use held_out::{HeldOut, TruthFile};
pub use machine::Machine;
pub use measured::{Measured, MeasuredRun, measured};
pub use methods::{METHODS, Method};
pub use recorded::recorded;
pub use run::{Run, simulate};
pub use scenario::{SCENARIOS, Scenario};
pub use score::{covered, error};
pub use sensors::Meters;
pub use truth::{BIN_SECONDS, Truth};
