//! The types of a snapshot. All energies are cumulative since the agent began its books and never fall.

use std::sync::Arc;

use crate::activity::{CgroupId, ConsumerId, Pid};
use crate::clock::Timestamp;
use crate::identity::{Container, ContainerFacts, Function, FunctionId, NodeFacts, PodFacts};
use crate::invocation::FunctionTotals;
use crate::ledger::Generation;
use crate::source::{Provenance, SourceId, Zone};
use crate::units::{Microjoules, Nanoseconds, RelativeUncertainty, Watts};

/// The books at the end of a window.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Which window this is the end of.
    pub generation: Generation,
    /// Lines that have not changed after this generation are left out; `None` for a whole picture.
    pub since: Option<Generation>,
    /// The end of that window.
    pub at: Timestamp,
    /// The same, in nanoseconds since the Unix epoch.
    pub at_unix: Nanoseconds,
    /// The machine.
    pub node: Arc<NodeFacts>,
    /// Every zone, always all of them. The `zone` of an [`EnergyLine`] is an index into this.
    pub zones: Vec<ZoneLine>,
    /// Cgroups that have used anything. Together with `other_cgroups` they are the zones' `active` plus shared-out idle energy.
    pub cgroups: Vec<CgroupLine>,
    /// What the cgroups used that have no line of their own any more or not yet.
    pub other_cgroups: OtherLine,
    /// Command names within cgroups; the sum over a cgroup's commands and its `other_commands` is the cgroup.
    pub commands: Vec<CommandLine>,
    /// What the commands used that have no line of their own.
    pub other_commands: OtherLine,
    /// Processes. Together with `other_processes` they are all the cgroups.
    pub processes: Vec<ProcessLine>,
    /// What the processes used that have no line of their own any more or not yet.
    pub other_processes: OtherLine,
    /// Functions. Together with `other_functions` and `pending_functions` they are all the cgroups.
    pub functions: Vec<FunctionLine>,
    /// What is in no function, or in one that has no line of its own.
    pub other_functions: OtherLine,
    /// What containers used whose function has not been told yet. It falls when it is, and the function's line grows.
    pub pending_functions: OtherLine,
    /// Invocations of functions; left out of a picture of changes.
    pub invocations: Vec<InvocationLine>,
    /// CPU time that was idle, over all CPUs.
    pub idle_cpu_time: Nanoseconds,
    /// CPU time of all consumers, over all CPUs.
    pub busy_cpu_time: Nanoseconds,
}

/// One zone's books: `active + idle + unattributed + shared idle = measured`.
#[derive(Clone, Debug)]
pub struct ZoneLine {
    /// Which.
    pub zone: Zone,
    /// By which source.
    pub source: SourceId,
    /// The least provenance among the windows so far.
    pub provenance: Provenance,
    /// Of the latest window (one sigma).
    pub uncertainty: RelativeUncertainty,
    /// All energy.
    pub measured: Microjoules,
    /// Charged to consumers for what they did.
    pub active: Microjoules,
    /// Static energy, whether it has a line of its own or was shared out to consumers.
    pub idle: Microjoules,
    /// The part of `idle` that the policy shared out to consumers.
    pub idle_shared: Microjoules,
    /// Charged to nobody.
    pub unattributed: Microjoules,
    /// Mean power over the last second (or window, if longer).
    pub power: Watts,
    /// Mean power of the `active` part.
    pub active_power: Watts,
    /// Mean power of the `idle` part.
    pub idle_power: Watts,
    /// Up to when its energy is booked, in nanoseconds since the Unix epoch; a slow meter's lags behind the picture.
    pub until_unix: Nanoseconds,
    /// What the parts are short of the whole, in microjoules: always 0, or there is a bug.
    pub books_error: i64,
}

/// Energy of one line in one zone.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EnergyLine {
    /// Index into [`Snapshot::zones`].
    pub zone: usize,
    /// For what it did.
    pub active: Microjoules,
    /// Its share of static energy.
    pub idle: Microjoules,
    /// Mean power (both parts) over the last second (or window, if longer).
    pub power: Watts,
}

/// Whether a line may still grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineState {
    /// It exists.
    Running,
    /// It has ended; the line stays until it was exported.
    Terminated,
}

/// One cgroup, without its children.
#[derive(Clone, Debug)]
pub struct CgroupLine {
    /// Which.
    pub id: CgroupId,
    /// Its path below the hierarchy's root; `/` for the root, `?<id>` until it is known.
    pub path: Arc<str>,
    /// The container that it is, or lies in.
    pub container: Option<Arc<Container>>,
    /// What was told of that container.
    pub container_facts: Option<Arc<ContainerFacts>>,
    /// What was told of its pod.
    pub pod: Option<Arc<PodFacts>>,
    /// Whether it still exists.
    pub state: LineState,
    /// CPU time of its processes.
    pub cpu_time: Nanoseconds,
    /// Energy by zone.
    pub energy: Vec<EnergyLine>,
}

/// All processes of one command name in one cgroup, past and present.
#[derive(Clone, Debug)]
pub struct CommandLine {
    /// In which cgroup.
    pub cgroup: CgroupId,
    /// That cgroup's path.
    pub cgroup_path: Arc<str>,
    /// The command name.
    pub comm: Arc<str>,
    /// CPU time.
    pub cpu_time: Nanoseconds,
    /// How many processes have borne this name here.
    pub processes: u64,
    /// Energy by zone.
    pub energy: Vec<EnergyLine>,
}

/// One process in one cgroup.
#[derive(Clone, Debug)]
pub struct ProcessLine {
    /// Which.
    pub consumer: ConsumerId,
    /// The process that started it.
    pub parent: Pid,
    /// Its command name now.
    pub comm: Arc<str>,
    /// Its program's path; empty where it is not known or there is none.
    pub exe: Arc<str>,
    /// Its cgroup's path.
    pub cgroup_path: Arc<str>,
    /// The container that it runs in.
    pub container: Option<Arc<Container>>,
    /// Whether it is a thread of the kernel.
    pub kernel_thread: bool,
    /// Whether it still exists.
    pub state: LineState,
    /// CPU time.
    pub cpu_time: Nanoseconds,
    /// Energy by zone.
    pub energy: Vec<EnergyLine>,
}

/// One function: all its containers, past and present.
#[derive(Clone, Debug)]
pub struct FunctionLine {
    /// Which.
    pub id: FunctionId,
    /// What it is.
    pub function: Arc<Function>,
    /// In how many containers it runs now; not counted (0) in a picture of changes.
    pub containers: usize,
    /// CPU time.
    pub cpu_time: Nanoseconds,
    /// Energy by zone.
    pub energy: Vec<EnergyLine>,
}

/// What is known of one function's invocations.
#[derive(Clone, Debug)]
pub struct InvocationLine {
    /// The function.
    pub function: Arc<Function>,
    /// How many there were and what they used. Zones are indices into [`Snapshot::zones`].
    pub totals: FunctionTotals,
}

/// The sum of what has no line of its own.
#[derive(Clone, Debug, Default)]
pub struct OtherLine {
    /// CPU time.
    pub cpu_time: Nanoseconds,
    /// Energy by zone.
    pub energy: Vec<EnergyLine>,
}
