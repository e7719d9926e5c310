//! `prony doctor`: what this machine offers, and how to get what is missing.
