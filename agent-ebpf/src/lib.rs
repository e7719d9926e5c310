//! The types that kernel and agent share.
