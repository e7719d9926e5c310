//! The commands of the `prony` binary.
