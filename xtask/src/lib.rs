//! What `cargo xtask` does, as far as build scripts need it too.
