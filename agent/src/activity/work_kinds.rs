//! Which cgroups do the same work.

use rustc_hash::FxHashMap;

use super::CgroupId;

/// Which cgroups do the same work as others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WorkKinds {
    by_cgroup: FxHashMap<CgroupId, u64>,
}

/// A kind of work: that of all cgroups of a function, or of a cgroup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum WorkKind {
    /// Of a cgroup that is no function's.
    Cgroup(CgroupId),
    /// Of the function of this number.
    Function(u64),
}

impl WorkKinds {
    /// That a cgroup works for the function of this number.
    pub fn insert(&mut self, cgroup: CgroupId, function: u64) {
        self.by_cgroup.insert(cgroup, function);
    }

    /// What kind of work a cgroup does.
    pub fn of(&self, cgroup: CgroupId) -> WorkKind {
        self.by_cgroup.get(&cgroup).map_or(WorkKind::Cgroup(cgroup), |function| WorkKind::Function(*function))
    }

    /// Takes in those of a later window, which hold where both know one.
    pub fn extend(&mut self, later: &Self) {
        self.by_cgroup.extend(&later.by_cgroup);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cgroup_works_for_its_function_or_for_itself() {
        let mut kinds = WorkKinds::default();
        kinds.insert(CgroupId(5), 1);
        assert_eq!(kinds.of(CgroupId(5)), WorkKind::Function(1));
        assert_eq!(kinds.of(CgroupId(1)), WorkKind::Cgroup(CgroupId(1)));
        let mut later = WorkKinds::default();
        later.insert(CgroupId(5), 2);
        later.insert(CgroupId(6), 2);
        kinds.extend(&later);
        assert_eq!([5, 6].map(|cgroup| kinds.of(CgroupId(cgroup))), [WorkKind::Function(2); 2]);
    }
}
