//! `prony meter-sim`: a power meter for people without one.
