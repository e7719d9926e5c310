//! Taking single files from Debian's archive, without installing anything and without being root.

mod apt;
mod package;
mod sources;

pub use apt::Apt;
pub use package::{unpack, unpack_together};
pub use sources::{Source, archives, configured, parse_deb822, parse_one_line};
