//! What the clients of meters on the network have in common: the meter's clock on the agent's time line, charge as
//! energy, and the telling of what came.

mod accuracy;
#[cfg(test)]
pub(crate) mod books;
mod clock;
mod energy;
mod telemetry;

pub(crate) use accuracy::{Shunt, combined, of_saturation, of_volts};
pub(crate) use clock::{MeterClock, boot_instant};
pub(crate) use energy::ChargeEnergy;
pub(crate) use telemetry::MeterTelemetry;
pub use telemetry::Outcome;

use crate::units::Nanoseconds;

/// How late a datagram may be and still be taken for one that the network delayed.
pub(crate) const LONGEST_DELAY: Nanoseconds = Nanoseconds(10_000_000_000);
/// How exactly a moment on the meter's clock is known on the agent's: delays and drift stay below it.
pub(crate) const CLOCK_TOLERANCE: Nanoseconds = Nanoseconds(1_000_000_000);
/// An uptime beyond a hundred years is no uptime. It also keeps every difference of times within an i64.
pub(crate) const LONGEST_UPTIME: Nanoseconds = Nanoseconds(100 * 365 * 86_400 * 1_000_000_000);
