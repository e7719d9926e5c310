//! Invocations that are processes of their own.
//!
//! A server that starts a process for every request (`OpenFaaS`' classic watchdog and its like) is known by its command
//! name. Every child of such a process in the same container is an invocation, with all that descends from it.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::activity::{Comm, ConsumerId, Pid};
use crate::clock::Timestamp;
use crate::units::{Microjoules, Nanoseconds};

/// How long an invocation may last. A child that lives longer is a server itself, not an invocation.
const LONGEST: Nanoseconds = Nanoseconds(300 * Nanoseconds::SECOND.0);

/// A process: its number and when it was started, on the boot clock.
type Process = (Pid, Nanoseconds);

/// Numbers an invocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct TreeId(u64);

/// A process and its descendants.
#[derive(Clone, Debug)]
pub(super) struct Tree {
    pub(super) root: Process,
    pub(super) container: Arc<str>,
    pub(super) start: Timestamp,
    /// When the last of its processes ended, once all have.
    pub(super) end: Option<Timestamp>,
    /// Up to when some of its CPU time may have been found after that.
    pub(super) closed: Timestamp,
    pub(super) cpu_time: Nanoseconds,
    /// By zone.
    pub(super) energy: Vec<Microjoules>,
    /// The part of it that is shared-out static energy.
    pub(super) idle: Vec<Microjoules>,
    /// By zone, in square microjoules.
    pub(super) systematic: Vec<f64>,
    pub(super) variance: Vec<f64>,
    /// All its consumers, past and present.
    members: Vec<ConsumerId>,
    living: usize,
    last_exit: Timestamp,
}

#[derive(Debug)]
struct Known {
    container: Arc<str>,
    comm: Comm,
    tree: Option<TreeId>,
}

/// All processes in containers, and which of them are invocations.
#[derive(Debug)]
pub(super) struct Processes {
    servers: Vec<Comm>,
    /// What is added to a time of the boot clock to have one of the monotonic clock is taken from it: how long the machine
    /// was suspended.
    suspended: Nanoseconds,
    known: FxHashMap<Process, Known>,
    by_pid: FxHashMap<Pid, Process>,
    trees: FxHashMap<TreeId, Tree>,
    tree_of: FxHashMap<ConsumerId, TreeId>,
    next: u64,
}

impl Processes {
    /// With the command names of servers that start a process for every request.
    pub(super) fn new(servers: &[String], suspended: Nanoseconds) -> Self {
        Self {
            servers: servers.iter().map(|name| Comm::new(name)).collect(),
            suspended,
            known: FxHashMap::default(),
            by_pid: FxHashMap::default(),
            trees: FxHashMap::default(),
            tree_of: FxHashMap::default(),
            next: 0,
        }
    }

    /// How long the machine was suspended until now. What is new from now on was started after that.
    pub(super) fn set_suspended(&mut self, suspended: Nanoseconds) {
        self.suspended = suspended;
    }

    /// When a process was started.
    pub(super) fn started(&self, start: Nanoseconds) -> Timestamp {
        Timestamp(start.0.saturating_sub(self.suspended.0))
    }

    /// A process in a container got its first CPU time, or its name changed. When it is an invocation that begins, its
    /// beginning is returned.
    pub(super) fn named(
        &mut self,
        consumer: ConsumerId,
        parent: Pid,
        comm: Comm,
        container: &Arc<str>,
    ) -> Option<Timestamp> {
        let (process, next) = ((consumer.pid, consumer.start), self.next);
        if let Some(known) = self.known.get_mut(&process) {
            known.comm = comm;
        } else {
            let tree = self.tree_for(process, parent, container);
            self.known.insert(process, Known { container: Arc::clone(container), comm, tree });
            self.by_pid.insert(consumer.pid, process);
        }
        let tree = self.known[&process].tree;
        if let Some((id, tree)) = tree.and_then(|id| Some((id, self.trees.get_mut(&id)?)))
            && self.tree_of.insert(consumer, id).is_none()
        {
            tree.members.push(consumer);
            tree.living += 1;
            tree.end = None;
        }
        (self.next > next).then(|| self.started(consumer.start))
    }

    fn tree_for(&mut self, root: Process, parent: Pid, container: &Arc<str>) -> Option<TreeId> {
        let parent = self.by_pid.get(&parent).and_then(|parent| self.known.get(parent))?;
        if parent.container != *container || parent.tree.is_some() {
            return parent.tree;
        }
        if !self.servers.contains(&parent.comm) {
            return None;
        }
        let start = self.started(root.1);
        let id = TreeId(self.next);
        self.next += 1;
        let tree = Tree {
            root,
            container: Arc::clone(container),
            start,
            end: None,
            closed: start,
            cpu_time: Nanoseconds::ZERO,
            energy: Vec::new(),
            idle: Vec::new(),
            systematic: Vec::new(),
            variance: Vec::new(),
            members: Vec::new(),
            living: 0,
            last_exit: start,
        };
        self.trees.insert(id, tree);
        Some(id)
    }

    /// A process ended.
    pub(super) fn exited(&mut self, pid: Pid, start: Nanoseconds, at: Timestamp) {
        let tree = self.known.get(&(pid, start)).and_then(|known| known.tree);
        if let Some(tree) = tree.and_then(|id| self.trees.get_mut(&id)) {
            tree.last_exit = tree.last_exit.max(at);
        }
    }

    /// A consumer has ended, and nothing comes from it after `at`.
    pub(super) fn ended(&mut self, consumer: ConsumerId, at: Timestamp) {
        let process = (consumer.pid, consumer.start);
        if self.by_pid.get(&consumer.pid) == Some(&process) {
            self.by_pid.remove(&consumer.pid);
        }
        self.known.remove(&process);
        if let Some(tree) = self.tree_of.get(&consumer).and_then(|id| self.trees.get_mut(id)) {
            tree.living = tree.living.saturating_sub(1);
            if tree.living == 0 {
                tree.end = Some(tree.last_exit);
                tree.closed = at;
            }
        }
    }

    /// The invocation that a consumer is a part of.
    pub(super) fn tree_mut(&mut self, consumer: &ConsumerId) -> Option<&mut Tree> {
        self.trees.get_mut(self.tree_of.get(consumer)?)
    }

    /// Takes out the invocations that are `complete`, in the order in which they began, and those that last for so long
    /// that they are none (`end` is `None`).
    pub(super) fn take(&mut self, now: Timestamp, complete: impl Fn(&Tree) -> bool) -> Vec<Tree> {
        let is_done = |tree: &Tree| if tree.end.is_some() { complete(tree) } else { now.since(tree.start) > LONGEST };
        let mut done: Vec<TreeId> = self.trees.iter().filter(|(_, tree)| is_done(tree)).map(|(id, _)| *id).collect();
        done.sort_unstable();
        let trees: Vec<Tree> = done.into_iter().filter_map(|id| self.trees.remove(&id)).collect();
        for consumer in trees.iter().flat_map(|tree| &tree.members) {
            self.tree_of.remove(consumer);
            if let Some(known) = self.known.get_mut(&(consumer.pid, consumer.start)) {
                known.tree = None;
            }
        }
        trees
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::activity::CgroupId;

    fn process(pid: u32) -> ConsumerId {
        ConsumerId { cgroup: CgroupId(7), pid: Pid(pid), start: Nanoseconds(u64::from(pid) * 1_000) }
    }

    struct Machine(Processes);

    impl Machine {
        fn start(&mut self, pid: u32, parent: u32, comm: &str, container: &str) -> Option<u64> {
            self.0.named(process(pid), Pid(parent), Comm::new(comm), &container.into()).map(|at| at.0)
        }

        fn end(&mut self, pid: u32, at: u64) {
            self.0.exited(Pid(pid), process(pid).start, Timestamp(at));
            self.0.ended(process(pid), Timestamp(at));
        }

        fn done(&mut self, now: u64) -> Vec<(u32, Option<u64>)> {
            let trees = self.0.take(Timestamp(now), |_| true);
            trees.iter().map(|tree| (tree.root.0.0, tree.end.map(|end| end.0))).collect()
        }
    }

    fn machine() -> Machine {
        Machine(Processes::new(&["fwatchdog".to_owned()], Nanoseconds(100)))
    }

    #[test]
    fn who_starts_after_the_machine_was_suspended_again_starts_now() {
        let mut machine = machine();
        machine.start(1, 900, "fwatchdog", "a");
        assert_eq!(machine.start(2, 1, "python3", "a"), Some(1_900));
        machine.0.set_suspended(Nanoseconds(600));
        assert_eq!(machine.start(3, 1, "python3", "a"), Some(2_400));
    }

    #[test]
    fn every_child_of_a_fork_server_is_an_invocation_with_its_descendants() {
        let mut machine = machine();
        assert_eq!(machine.start(1, 900, "fwatchdog", "a"), None);
        assert_eq!(machine.start(2, 1, "fwatchdog", "a"), Some(1_900));
        assert_eq!(machine.start(2, 1, "python3", "a"), None);
        machine.start(3, 2, "convert", "a");
        machine.start(4, 1, "python3", "a");
        assert!(machine.0.tree_mut(&process(1)).is_none());
        machine.0.tree_mut(&process(3)).expect("a part of 2").cpu_time = Nanoseconds(5);
        machine.end(2, 5_000);
        assert_eq!(machine.done(6_000), [], "3 still runs");
        machine.end(3, 7_000);
        assert_eq!(machine.0.tree_mut(&process(2)).map(|tree| tree.cpu_time), Some(Nanoseconds(5)));
        assert_eq!(machine.done(7_000), [(2, Some(7_000))]);
        machine.end(4, 8_000);
        assert_eq!(machine.done(8_000), [(4, Some(8_000))]);
        assert!(machine.0.tree_of.is_empty() && machine.0.known.len() == 1);
    }

    #[test]
    fn other_servers_and_other_containers_have_none() {
        let mut machine = machine();
        machine.start(1, 900, "nginx", "a");
        machine.start(2, 1, "nginx", "a");
        machine.start(5, 900, "fwatchdog", "a");
        machine.start(6, 5, "sh", "b");
        assert!(machine.0.trees.is_empty());
    }

    #[test]
    fn a_child_that_stays_is_a_server() {
        let mut machine = machine();
        machine.start(1, 900, "fwatchdog", "a");
        machine.start(2, 1, "node", "a");
        assert_eq!(machine.done(LONGEST.0), []);
        assert_eq!(machine.done(LONGEST.0 + 10_000), [(2, None)]);
        assert!(machine.0.tree_mut(&process(2)).is_none());
    }
}
