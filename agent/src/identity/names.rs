//! What is known of consumers and cgroups, from lifecycle events and from what is read beside them.

use std::collections::hash_map::Entry;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::activity::{CgroupId, Comm, ConsumerId, Lifecycle, Pid};
use crate::clock::Timestamp;
use crate::units::Nanoseconds;

use super::cgroup_names::{CgroupName, CgroupNames};
use super::interner::Interner;
use super::{Container, Function, FunctionId, FunctionRules, MetadataNews, Workloads};

/// How many ended consumers are remembered at least for energy that is charged late: at 1,000 process starts a second
/// those of the last four seconds. Twice as many at most.
const REMEMBER_ENDED: usize = 4_096;

/// How many processes without any CPU time yet may be remembered for their program's path.
const REMEMBER_PROGRAMS: usize = 65_536;

/// What is known of one consumer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerName {
    /// Its command name now.
    pub comm: Comm,
    /// The same as text, shared with all that bear it.
    pub comm_text: Arc<str>,
    /// The process that started it.
    pub parent: Pid,
    /// Whether it is a thread of the kernel.
    pub kernel_thread: bool,
    /// The cgroup that it is counted in: its own, or the group that it has in a cgroup v1 hierarchy.
    pub cgroup: CgroupId,
}

/// A process, over all the cgroups it has been in.
#[derive(Debug, Default)]
struct Program {
    exe: Option<Arc<str>>,
    comm: Option<Arc<str>>,
    consumers: u32,
}

/// Names of consumers and cgroups. They may become known after what they name has been counted, and outlive it for as
/// long as late energy may still be charged.
#[derive(Debug)]
pub struct Names {
    living: FxHashMap<ConsumerId, ConsumerName>,
    /// Those that have ended, and those that ended before them. Apart from the living, so that the usual look-ups are in
    /// little memory, and so that forgetting is quick.
    ended: FxHashMap<ConsumerId, ConsumerName>,
    ended_before: FxHashMap<ConsumerId, ConsumerName>,
    /// Those that have ended in this window: their programs are still told.
    just_ended: Vec<ConsumerId>,
    programs: FxHashMap<(Pid, Nanoseconds), Program>,
    cgroups: CgroupNames,
    workloads: Workloads,
    texts: Interner,
}

impl Default for Names {
    fn default() -> Self {
        let mut names = Self {
            living: FxHashMap::default(),
            ended: FxHashMap::default(),
            ended_before: FxHashMap::default(),
            just_ended: Vec::new(),
            programs: FxHashMap::default(),
            cgroups: CgroupNames::default(),
            workloads: Workloads::default(),
            texts: Interner::default(),
        };
        names.name(ConsumerId::OVERFLOW, Pid(0), Comm::new("?overflow"), false);
        names
    }
}

impl Names {
    /// With these rules for which function a container belongs to.
    pub fn new(rules: FunctionRules) -> Self {
        Self { workloads: Workloads::new(rules), ..Self::default() }
    }

    /// Takes in what a source of metadata told at `at`.
    pub fn metadata(&mut self, at: Timestamp, news: Vec<MetadataNews>) {
        self.workloads.apply(at, news);
    }

    /// Gives a function that an earlier agent has seen its number; none where there are too many.
    pub fn remember_function(&mut self, function: Function) -> Option<FunctionId> {
        self.workloads.remember(function)
    }

    /// The copy of `text` that all share who bear it.
    pub fn shared(&mut self, text: &str) -> Arc<str> {
        self.texts.intern(text)
    }

    /// Which functions there are, and what runs them.
    pub fn workloads(&self) -> &Workloads {
        &self.workloads
    }

    /// Takes in what happened. To be called before the window is recorded that the event came with.
    pub fn apply(&mut self, event: &Lifecycle) {
        match event {
            Lifecycle::Named { consumer, parent, comm, kernel_thread } => {
                self.name(*consumer, *parent, *comm, *kernel_thread);
            }
            Lifecycle::Exec { at: _, pid, start, path } => self.set_exe(*pid, *start, Arc::clone(path)),
            Lifecycle::Exit { at: _, pid, start } => {
                if self.programs.get(&(*pid, *start)).is_some_and(|program| program.consumers == 0) {
                    self.programs.remove(&(*pid, *start));
                }
            }
            Lifecycle::Ended { consumer } => self.end(*consumer),
            // Without a path it stays unknown, so that it is looked for.
            Lifecycle::CgroupMade { at: _, path, .. } if path.is_empty() => {}
            Lifecycle::CgroupMade { at: _, cgroup, path } => self.cgroups.insert(*cgroup, path),
            Lifecycle::CgroupRemoved { at: _, cgroup } => self.cgroups.remove(*cgroup),
        }
    }

    /// Drops what has ended too long ago, and the programs of what had ended before. To be called once per window, before
    /// its events are applied.
    pub fn forget(&mut self) {
        while let Some(consumer) = self.just_ended.pop() {
            self.leave_program(&consumer);
        }
        if self.ended.len() >= REMEMBER_ENDED {
            std::mem::swap(&mut self.ended, &mut self.ended_before);
            self.ended.clear();
        }
        self.cgroups.forget_removed();
    }

    /// What is known of a consumer.
    pub fn consumer(&self, consumer: &ConsumerId) -> Option<&ConsumerName> {
        self.living(consumer).or_else(|| self.ended(consumer))
    }

    /// What is known of a consumer that has ended.
    pub fn ended(&self, consumer: &ConsumerId) -> Option<&ConsumerName> {
        self.ended.get(consumer).or_else(|| self.ended_before.get(consumer))
    }

    /// The cgroup that a consumer is counted in.
    pub fn cgroup_of(&self, consumer: &ConsumerId) -> CgroupId {
        self.consumer(consumer).map_or(consumer.cgroup, |name| name.cgroup)
    }

    /// What is known of a consumer that has not ended.
    pub fn living(&self, consumer: &ConsumerId) -> Option<&ConsumerName> {
        self.living.get(consumer)
    }

    /// The path of the program that a consumer's process runs.
    pub fn exe(&self, consumer: &ConsumerId) -> Option<&Arc<str>> {
        self.programs.get(&(consumer.pid, consumer.start))?.exe.as_ref()
    }

    /// The command name that a consumer's process bears now, whatever it was called while it was in the consumer's cgroup.
    pub fn process_comm(&self, consumer: &ConsumerId) -> Option<&Arc<str>> {
        self.programs.get(&(consumer.pid, consumer.start))?.comm.as_ref()
    }

    /// What is known of a cgroup.
    pub fn cgroup(&self, cgroup: CgroupId) -> Option<&CgroupName> {
        self.cgroups.get(cgroup)
    }

    /// Whether a cgroup is known to have been removed.
    pub fn is_removed(&self, cgroup: CgroupId) -> bool {
        self.cgroups.is_removed(cgroup)
    }

    /// The cgroups of the v2 hierarchy that exist as far as is known.
    pub fn existing_cgroups(&self) -> impl Iterator<Item = CgroupId> {
        self.cgroups.existing()
    }

    /// Says where a cgroup is.
    pub fn set_cgroup_path(&mut self, cgroup: CgroupId, path: &str) {
        self.cgroups.insert(cgroup, path);
    }

    /// Says that a known cgroup is (in) a container, whatever its path tells.
    pub fn set_container(&mut self, cgroup: CgroupId, container: Arc<Container>) {
        self.cgroups.set_container(cgroup, container);
    }

    /// Says which program a process runs.
    pub fn set_exe(&mut self, pid: Pid, start: Nanoseconds, path: Arc<str>) {
        if let Some(program) = self.programs.get_mut(&(pid, start)) {
            program.exe = Some(path);
        } else if self.programs.len() < REMEMBER_PROGRAMS {
            self.programs.insert((pid, start), Program { exe: Some(path), ..Program::default() });
        }
    }

    /// Says what a consumer is called; what it has ended before is forgotten, since numbers are used again where the
    /// kernel does not tell start times.
    pub fn name(&mut self, consumer: ConsumerId, parent: Pid, comm: Comm, kernel_thread: bool) {
        let known = match self.living.entry(consumer) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(fresh) => {
                let comm_text = self.texts.intern(&comm.text());
                let cgroup = consumer.cgroup;
                fresh.insert(ConsumerName { comm, comm_text: comm_text.clone(), parent, kernel_thread, cgroup });
                return self.join_program(consumer, comm_text);
            }
        };
        if known.comm != comm {
            known.comm = comm;
            known.comm_text = self.texts.intern(&comm.text());
            self.programs.entry((consumer.pid, consumer.start)).or_default().comm = Some(known.comm_text.clone());
        }
        known.parent = parent;
        known.kernel_thread = kernel_thread;
    }

    fn join_program(&mut self, consumer: ConsumerId, comm: Arc<str>) {
        if let Some(place) = self.just_ended.iter().position(|ended| *ended == consumer) {
            self.just_ended.swap_remove(place);
            self.leave_program(&consumer);
        }
        let program = self.programs.entry((consumer.pid, consumer.start)).or_default();
        program.consumers += 1;
        program.comm = Some(comm);
    }

    /// The id that stands for a group of a cgroup v1 hierarchy; the same for the same path until it is removed.
    pub fn v1_group(&mut self, path: &str) -> CgroupId {
        self.cgroups.v1_group(path)
    }

    /// Gives groups of cgroup v1 hierarchies the ids that they had for an earlier agent.
    pub fn resume_v1_groups(&mut self, groups: &[(CgroupId, String)]) {
        for (group, path) in groups {
            self.cgroups.resume_v1_group(*group, path);
        }
    }

    /// How many groups of cgroup v1 hierarchies there have been: as long as it is the same, there is no new one.
    pub fn v1_groups_so_far(&self) -> u64 {
        self.cgroups.v1_groups_so_far()
    }

    /// The groups of cgroup v1 hierarchies in use, with their paths.
    pub fn v1_groups(&self) -> impl Iterator<Item = (CgroupId, &Arc<str>)> {
        self.cgroups.v1_groups()
    }

    /// Counts a consumer in another group from now on.
    pub fn set_group(&mut self, consumer: &ConsumerId, group: CgroupId) {
        if let Some(name) = self.living.get_mut(consumer) {
            name.cgroup = group;
        }
    }

    fn end(&mut self, consumer: ConsumerId) {
        if let Some(name) = self.living.remove(&consumer) {
            self.ended.insert(consumer, name);
            self.just_ended.push(consumer);
        }
    }

    fn leave_program(&mut self, consumer: &ConsumerId) {
        if let Entry::Occupied(mut program) = self.programs.entry((consumer.pid, consumer.start)) {
            program.get_mut().consumers = program.get().consumers.saturating_sub(1);
            if program.get().consumers == 0 {
                program.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn consumer(pid: u32) -> ConsumerId {
        ConsumerId { cgroup: CgroupId(40), pid: Pid(pid), start: Nanoseconds(u64::from(pid) * 10) }
    }

    fn named(pid: u32, comm: &str) -> Lifecycle {
        Lifecycle::Named { consumer: consumer(pid), parent: Pid(1), comm: Comm::new(comm), kernel_thread: false }
    }

    fn exec(pid: u32, path: &str) -> Lifecycle {
        let start = consumer(pid).start;
        Lifecycle::Exec { at: Timestamp(0), pid: Pid(pid), start, path: path.into() }
    }

    #[test]
    fn a_process_changes_its_name_and_program() {
        let mut names = Names::default();
        for event in [named(7, "sh"), exec(7, "/usr/bin/env"), named(7, "env"), exec(7, "/usr/bin/python3")] {
            names.apply(&event);
        }
        assert_eq!(&*names.consumer(&consumer(7)).unwrap().comm_text, "env");
        assert_eq!(&**names.exe(&consumer(7)).unwrap(), "/usr/bin/python3");
    }

    #[test]
    fn a_process_that_has_moved_has_one_name_in_all_its_cgroups() {
        let mut names = Names::default();
        let before = consumer(5);
        let after = ConsumerId { cgroup: CgroupId(77), ..before };
        names.name(before, Pid(1), Comm::new("sh"), false);
        names.name(after, Pid(1), Comm::new("sh"), false);
        names.name(after, Pid(1), Comm::new("server"), false);
        assert_eq!(names.process_comm(&before).map(|comm| &**comm), Some("server"));
        assert_eq!(&*names.consumer(&before).unwrap().comm_text, "sh", "what it did there, it did under that name");
    }

    #[test]
    fn a_program_known_before_its_first_cpu_time_is_not_lost() {
        let mut names = Names::default();
        names.apply(&exec(7, "/bin/true"));
        names.apply(&named(7, "true"));
        assert_eq!(&**names.exe(&consumer(7)).unwrap(), "/bin/true");
    }

    #[test]
    fn a_cgroup_whose_path_was_not_told_stays_unknown_until_it_is_found() {
        let mut names = Names::default();
        names.apply(&Lifecycle::CgroupMade { at: Timestamp(0), cgroup: CgroupId(40), path: String::new() });
        assert_eq!(names.cgroup(CgroupId(40)), None);
        names.set_cgroup_path(CgroupId(40), "/found");
        assert_eq!(&*names.cgroup(CgroupId(40)).unwrap().path, "/found");
    }

    #[test]
    fn what_has_ended_is_remembered_for_late_energy_but_not_for_ever() {
        let mut names = Names::default();
        for pid in 1..=30_000 {
            names.forget();
            names.apply(&exec(pid, &format!("/bin/{pid}")));
            names.apply(&named(pid, "storm"));
            names.apply(&Lifecycle::Ended { consumer: consumer(pid) });
            names.apply(&Lifecycle::Exit { at: Timestamp(0), pid: Pid(pid), start: consumer(pid).start });
        }
        assert!(names.living(&consumer(30_000)).is_none() && names.ended(&consumer(30_000)).is_some());
        assert_eq!(&**names.exe(&consumer(30_000)).unwrap(), "/bin/30000");
        assert!(names.consumer(&consumer(1)).is_none());
        assert!(names.living.len() + names.ended.len() + names.ended_before.len() <= 2 * REMEMBER_ENDED + 1);
        assert!(names.programs.len() < 2 * REMEMBER_ENDED);
    }

    #[test]
    fn a_process_in_two_cgroups_keeps_its_program_when_one_of_them_is_forgotten() {
        let mut names = Names::default();
        let moved = ConsumerId { cgroup: CgroupId(41), ..consumer(7) };
        names.apply(&named(7, "mover"));
        names.apply(&exec(7, "/bin/mover"));
        names.apply(&Lifecycle::Named { consumer: moved, parent: Pid(1), comm: Comm::new("m"), kernel_thread: false });
        names.apply(&Lifecycle::Ended { consumer: consumer(7) });
        for pid in 1_000..30_000 {
            names.forget();
            names.apply(&named(pid, "x"));
            names.apply(&Lifecycle::Ended { consumer: consumer(pid) });
        }
        assert!(names.consumer(&consumer(7)).is_none());
        assert_eq!(&**names.exe(&moved).unwrap(), "/bin/mover");
    }

    #[test]
    fn a_reused_number_without_start_time_is_a_new_process() {
        let mut names = Names::default();
        let reused = ConsumerId { cgroup: CgroupId(40), pid: Pid(7), start: Nanoseconds::ZERO };
        names.name(reused, Pid(1), Comm::new("old"), false);
        names.set_exe(Pid(7), Nanoseconds::ZERO, "/bin/old".into());
        names.apply(&Lifecycle::Ended { consumer: reused });
        names.name(reused, Pid(2), Comm::new("new"), false);
        assert!(names.living(&reused).is_some());
        assert_eq!(names.exe(&reused), None);
        assert_eq!(&*names.consumer(&reused).unwrap().comm_text, "new");
    }
}
