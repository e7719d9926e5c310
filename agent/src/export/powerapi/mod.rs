//! The books as PowerAPI shows them: power by sensor and target, for the exporters that speak its schema.

mod place;
mod target;

pub(super) use place::Places;
pub(super) use target::{TAGS, Target};
