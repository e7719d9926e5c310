//! Puts readings on the agent's windows: how much energy each zone used in each window.

mod energy_window;

pub use energy_window::EnergyWindow;
