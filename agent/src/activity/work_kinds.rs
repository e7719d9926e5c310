//! Who does the same kind of work.

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use super::{CgroupId, ConsumerId};

/// Who does the same kind of work as others: all in a cgroup, or a process by itself, where it is not the cgroup's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WorkKinds {
    by_cgroup: FxHashMap<CgroupId, WorkKind>,
    by_process: FxHashMap<ConsumerId, WorkKind>,
}

/// A kind of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum WorkKind {
    /// Of all in a cgroup that is no function's.
    Cgroup(CgroupId),
    /// Of all containers of the function of this number.
    Function(u64),
    /// Of all processes of the command of this number that are in no cgroup of their own.
    Command(u64),
}

impl WorkKinds {
    /// What all in a cgroup do.
    pub fn insert(&mut self, cgroup: CgroupId, kind: WorkKind) {
        self.by_cgroup.insert(cgroup, kind);
    }

    /// What a process does, whatever others in its cgroup do.
    pub fn insert_process(&mut self, consumer: ConsumerId, kind: WorkKind) {
        self.by_process.insert(consumer, kind);
    }

    /// What kind of work somebody does.
    pub fn of(&self, consumer: &ConsumerId) -> WorkKind {
        if !self.by_process.is_empty()
            && let Some(kind) = self.by_process.get(consumer)
        {
            return *kind;
        }
        self.by_cgroup.get(&consumer.cgroup).copied().unwrap_or(WorkKind::Cgroup(consumer.cgroup))
    }

    /// Takes in those of a later window, which hold where both know one.
    pub fn extend(&mut self, later: &Self) {
        self.by_cgroup.extend(&later.by_cgroup);
        self.by_process.extend(&later.by_process);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::activity::Pid;

    fn consumer(cgroup: u64, pid: u32) -> ConsumerId {
        ConsumerId { cgroup: CgroupId(cgroup), pid: Pid(pid), ..ConsumerId::default() }
    }

    #[test]
    fn a_process_works_by_itself_or_as_its_cgroup_does() {
        let mut kinds = WorkKinds::default();
        kinds.insert(CgroupId(5), WorkKind::Function(1));
        kinds.insert_process(consumer(1, 7), WorkKind::Command(3));
        assert_eq!(kinds.of(&consumer(5, 7)), WorkKind::Function(1));
        assert_eq!(kinds.of(&consumer(1, 7)), WorkKind::Command(3));
        assert_eq!(kinds.of(&consumer(1, 8)), WorkKind::Cgroup(CgroupId(1)));
        let mut later = WorkKinds::default();
        later.insert(CgroupId(5), WorkKind::Function(2));
        later.insert(CgroupId(6), WorkKind::Function(2));
        kinds.extend(&later);
        assert_eq!([5, 6].map(|cgroup| kinds.of(&consumer(cgroup, 7))), [WorkKind::Function(2); 2]);
    }
}
