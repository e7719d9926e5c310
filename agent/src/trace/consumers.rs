//! Cgroups and processes of a trace by the numbers that the pipeline knows them by.

use std::collections::HashMap;
use std::sync::Arc;

use rustc_hash::{FxBuildHasher, FxHashMap, FxHashSet};

use crate::activity::{CgroupId, Comm, ConsumerId, Lifecycle, Pid};
use crate::identity::{Container, Names, container_of};
use crate::units::Nanoseconds;

use super::line;

/// The first number of a cgroup; those below stand for the root and for lines that are no cgroup.
const FIRST_CGROUP: u64 = 16;

/// Who has been seen so far.
#[derive(Debug)]
pub(super) struct Consumers {
    /// Cgroups that run functions.
    with_functions: FxHashSet<Box<str>>,
    cgroups: HashMap<Box<str>, (CgroupId, Arc<Container>), FxBuildHasher>,
    comms: FxHashMap<ConsumerId, Comm>,
    /// The living consumers of each process.
    processes: FxHashMap<(Pid, Nanoseconds), Vec<ConsumerId>>,
}

impl Consumers {
    pub(super) fn new(with_functions: FxHashSet<Box<str>>) -> Self {
        Self {
            with_functions,
            cgroups: HashMap::default(),
            comms: FxHashMap::default(),
            processes: FxHashMap::default(),
        }
    }

    /// A cgroup, and the container that it is in. `names` are told of a new one. One that runs a function counts as a
    /// container of its own, if its path does not tell in which it is.
    pub(super) fn cgroup(&mut self, path: &str, names: &mut Names) -> (CgroupId, Arc<Container>) {
        if let Some(known) = self.cgroups.get(path) {
            return known.clone();
        }
        let cgroup = if path == "/" { CgroupId::ROOT } else { CgroupId(FIRST_CGROUP + self.cgroups.len() as u64) };
        names.set_cgroup_path(cgroup, path);
        let told = container_of(path).map_or_else(|| path.into(), |container| container.id);
        let container = Arc::new(Container { id: told, runtime: "", pod_uid: None });
        if self.with_functions.contains(path) {
            names.set_container(cgroup, Arc::clone(&container));
        }
        self.cgroups.insert(path.into(), (cgroup, Arc::clone(&container)));
        (cgroup, container)
    }

    /// Who a line is of. That it is new or has changed its name is appended to `events`.
    pub(super) fn consumer(
        &mut self,
        line: &line::Consumer<'_>,
        names: &mut Names,
        events: &mut Vec<Lifecycle>,
    ) -> ConsumerId {
        let consumer = ConsumerId {
            cgroup: self.cgroup(&line.cgroup, names).0,
            pid: Pid(line.pid),
            start: Nanoseconds(line.start_ns),
        };
        let comm = Comm::new(&line.comm);
        let before = self.comms.insert(consumer, comm);
        if before.is_none() {
            self.processes.entry((consumer.pid, consumer.start)).or_default().push(consumer);
        }
        if before != Some(comm) {
            let (parent, kernel_thread) = (Pid(line.parent), line.kernel_thread);
            events.push(Lifecycle::Named { consumer, parent, comm, kernel_thread });
        }
        consumer
    }

    /// A process has ended: what it was in ends with the next window.
    pub(super) fn exited(&mut self, pid: Pid, start: Nanoseconds) -> Vec<Lifecycle> {
        let ended = self.processes.remove(&(pid, start)).unwrap_or_default();
        for consumer in &ended {
            self.comms.remove(consumer);
        }
        ended.into_iter().map(|consumer| Lifecycle::Ended { consumer }).collect()
    }
}
