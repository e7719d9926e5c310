//! `prony top`: a live table in the terminal.
