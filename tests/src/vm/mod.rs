//! The agent on other kernels: virtual machines of QEMU that boot a kernel as Debian builds it, with one program as init
//! (`prony-guest`), which tries the agent and writes down what it found.

mod archive;
mod boot;
mod machine;
mod report;
mod root_folder;

pub use boot::{Programs, boot};
pub use machine::{MACHINES, Machine};
pub use report::{Check, Outcome, Report};

/// The variable that tells tests that an emulated processor runs them.
pub const EMULATED: &str = "PRONY_EMULATED";

/// Where things are in the guest, for both sides.
pub mod guest {
    /// The agent.
    pub const AGENT: &str = "/bin/prony";
    /// The load.
    pub const LOAD: &str = "/bin/prony-load";
    /// Modules.
    pub const MODULES: &str = "/modules";
    /// Which of them are loaded in which order: a line for each, with its file's name and its parameters.
    pub const MODULE_ORDER: &str = "/modules/order";
    /// Tests of the kernel side.
    pub const TESTS: &str = "/tests";
    /// The report is written here.
    pub const REPORT: &str = "/dev/ttyS1";
}
