//! Cumulative energy per consumer, command, cgroup and zone.
//!
//! Every charge goes to the process, its command name, its cgroup and the zone at once, so nothing is moved when a
//! process ends and no counter falls. At each level the visible lines and the line `other` are together the zone,
//! exactly.

mod book;
mod ended;
mod entries;
mod function_book;
mod generation;
mod level;
mod line;
mod rebalance;
mod record;
mod resume;
mod usage;
mod zone_book;

pub use book::Ledger;
pub use generation::{Epoch, Generation};
pub use record::LedgerRecord;

pub(crate) use entries::{Cgroup, Command, Process};
pub(crate) use level::Level;
pub(crate) use line::Line;
pub(crate) use usage::{Period, Usage};
pub(crate) use zone_book::ZoneBook;
