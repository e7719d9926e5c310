//! The agent under bad input and on machines that give it less than it would like: it says what is wrong and what to do,
//! goes on with what it has, and keeps its books exact.

mod cgroups;
mod configuration;
mod crowd;
mod grpc;
mod kernel;
mod names;
mod rapl;
mod signals;
mod storm;
mod subscribers;

use std::io;
use std::process::Stdio;

use prony_tests::{Running, TestCgroup};

/// Starts a bounded load in a cgroup.
fn load(group: &TestCgroup, arguments: &[&str]) -> io::Result<Running> {
    Running::start(group.command(env!("CARGO_BIN_EXE_prony-load")).args(arguments).stdout(Stdio::null()))
}
