//! What is kept with a line of each level.

use std::sync::Arc;

use crate::activity::{CgroupId, Comm};
use crate::identity::{CgroupName, ConsumerName};

use super::line::LineRef;

/// What is kept with a process.
#[derive(Debug, Default)]
pub(crate) struct Process {
    pub(super) cgroup: CgroupId,
    pub(super) comm: Option<Comm>,
    pub(super) cgroup_line: Option<LineRef>,
    pub(super) command_line: Option<LineRef>,
    /// What it was called, once it has ended: names are forgotten earlier than lines.
    pub(crate) epitaph: Option<Box<Epitaph>>,
}

/// What an ended process was called.
#[derive(Debug)]
pub(crate) struct Epitaph {
    pub(crate) name: Option<ConsumerName>,
    pub(crate) comm: Option<Arc<str>>,
    pub(crate) exe: Option<Arc<str>>,
    pub(crate) cgroup: CgroupId,
    pub(crate) cgroup_name: Option<CgroupName>,
}

/// What is kept with a command.
#[derive(Debug)]
pub(crate) struct Command {
    pub(crate) text: Arc<str>,
    pub(crate) processes: u64,
    /// What its cgroup was called, once that has been removed.
    pub(crate) cgroup_name: Option<CgroupName>,
}

/// What is kept with a cgroup.
#[derive(Debug, Default)]
pub(crate) struct Cgroup {
    pub(super) commands: Vec<LineRef>,
    /// What it was called, once it has been removed.
    pub(crate) name: Option<CgroupName>,
}

impl Cgroup {
    pub(super) fn called(name: Option<CgroupName>) -> Self {
        Self { name, ..Self::default() }
    }
}
