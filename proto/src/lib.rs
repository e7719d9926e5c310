//! Prony's wire formats.
