//! Runs the stages one after the other: the loop that closes windows.
