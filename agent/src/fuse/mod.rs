//! Puts readings on the agent's windows: how much energy each zone used in each window.
//!
//! A source's counter is followed from reading to reading (`counter`); the energy between two readings (`interval`) goes
//! to the windows of activity that it overlaps (`queue`, `pending`), spread by a model where there are several (`spread`).
//! RAPL is read at the very end of each window, so that each interval is one window. A slow meter's intervals cut windows
//! in two; a window is handed out when readings cover its end. Where a meter is late, the windows that wait for it are
//! joined (`joined`), so that what is kept is bounded by the number of distinct consumers. Not a microjoule is lost
//! between the counter and the windows: see [`ZoneBooks`].
//!
//! How a zone's power follows from what runs is learned from the same intervals (`learner`): a model (`power_model`), from what
//! was done (`work`) and drives the zone (`drive`), and how sure that is (`noise`, `doubt`). A meter of the whole machine is held against its
//! `packages`: that gives what is beside them (`rest`), and an alarm where they contradict each other (`agreement`). How late a
//! meter is, is seen by its power (`alignment`), and so is that it stands still (`stuck`); what it does not measure is reckoned
//! (`bridge`).

mod agreement;
mod alignment;
mod bridge;
mod counter;
mod doubt;
mod drive;
mod energy_window;
mod envelope;
#[cfg(test)]
pub(crate) mod fixtures;
mod fusion;
mod interval;
mod joined;
mod learner;
mod learnt;
mod least_squares;
mod limits;
mod load;
mod meter_state;
mod noise;
mod packages;
mod pending;
mod position;
mod power_model;
mod queue;
mod rest;
#[cfg(test)]
mod scenarios;
mod series;
mod shared;
mod spread;
mod stuck;
mod work;
mod zone;
mod zone_source;

pub use alignment::Lag;
pub(crate) use counter::{CounterTrack, Step};
pub use doubt::{Doubt, DoubtsByCgroup, doubts_of_cpu_time};
pub use energy_window::EnergyWindow;
pub use fusion::{Fusion, ZoneBooks};
pub use joined::join;
pub use learnt::MeterLearnt;
pub use limits::Limits;
pub use meter_state::{MeterState, Supply};
pub use position::MeterPosition;
pub use power_model::{Drawn, PowerModel};
