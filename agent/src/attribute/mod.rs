//! Shares a window's energy out to those who ran, to the last microjoule.

mod activity;
mod attribution;
#[cfg(test)]
mod notebook;
mod policy;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod traces;

pub use attribution::{Attribution, Share};
pub use policy::attribute;
