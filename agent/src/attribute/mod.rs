//! Shares a window's energy out to those who ran, to the last microjoule.

mod attribution;

pub use attribution::{Attribution, Share};
