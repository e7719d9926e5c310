//! What was learned of this machine and outlives the agent: the static power of each zone, by each source.

mod document;
mod file;
mod learned;

pub use document::NotAProfile;
pub use file::{LoadError, ProfileFile};
pub use learned::{Learned, Profile};
