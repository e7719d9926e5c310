//! The kernel side's counterpart in userspace: loads the programs, maps their memory, reads it. The only module with
//! `unsafe`.

pub mod perf_event;
