//! Who may come in at the listeners: TLS, certificates of clients, and tokens, as the files of `[access]` say.
//!
//! [`Access`] holds what the files said last. Each listener has a `Gate` of it: that makes a `Wire` of every connection,
//! which shakes hands when it is first read or written, and looks at the token of every request.

mod certificates;
mod files;
mod gate;
mod material;
mod tokens;
mod wire;

#[cfg(test)]
mod authority;
#[cfg(test)]
mod tests;

pub use files::Access;
pub(super) use gate::{Door, Gate};
pub(super) use wire::Wire;
