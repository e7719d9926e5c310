//! What is known of each cgroup.

use std::collections::VecDeque;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::activity::{CgroupId, ConsumerId};

use super::container::{Container, container_of};

/// How many removed cgroups are remembered for energy that is charged late.
const REMEMBER_REMOVED: usize = 4_096;

/// Marks the ids that stand for groups of cgroup v1 hierarchies. Inode numbers of kernfs are given out from below
/// (fs/kernfs/dir.c, `kernfs_new_node`: a 32-bit number below a 32-bit generation) and do not come near it.
const V1_MARK: u64 = 1 << 63;

/// What is known of one cgroup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CgroupName {
    /// Its path below the hierarchy's root, beginning with `/`.
    pub path: Arc<str>,
    /// The container that it is, or lies in.
    pub container: Option<Arc<Container>>,
}

impl CgroupName {
    /// A cgroup at this path.
    pub(crate) fn new(path: &str) -> Self {
        Self { path: path.into(), container: container_of(path).map(Arc::new) }
    }
}

#[derive(Debug)]
pub(super) struct CgroupNames {
    known: FxHashMap<CgroupId, Known>,
    removed: VecDeque<CgroupId>,
    v1_groups: FxHashMap<Arc<str>, CgroupId>,
    next_v1: u64,
}

#[derive(Debug)]
struct Known {
    name: CgroupName,
    removed: bool,
}

impl Default for CgroupNames {
    fn default() -> Self {
        let mut names =
            Self { known: FxHashMap::default(), removed: VecDeque::new(), v1_groups: FxHashMap::default(), next_v1: 1 };
        names.insert(CgroupId::ROOT, "/");
        names.insert(ConsumerId::OVERFLOW.cgroup, "?overflow");
        names
    }
}

impl CgroupNames {
    pub(super) fn get(&self, cgroup: CgroupId) -> Option<&CgroupName> {
        self.known.get(&cgroup).map(|known| &known.name)
    }

    pub(super) fn is_removed(&self, cgroup: CgroupId) -> bool {
        self.known.get(&cgroup).is_some_and(|known| known.removed)
    }

    pub(super) fn insert(&mut self, cgroup: CgroupId, path: &str) {
        match self.known.get_mut(&cgroup) {
            Some(known) => {
                known.removed = false;
                if &*known.name.path != path {
                    known.name = CgroupName::new(path);
                }
            }
            None => {
                self.known.insert(cgroup, Known { name: CgroupName::new(path), removed: false });
            }
        }
    }

    /// Says that a cgroup is (in) a container, whatever its path tells.
    pub(super) fn set_container(&mut self, cgroup: CgroupId, container: Arc<Container>) {
        if let Some(known) = self.known.get_mut(&cgroup) {
            known.name.container = Some(container);
        }
    }

    pub(super) fn remove(&mut self, cgroup: CgroupId) {
        let Some(known) = self.known.get_mut(&cgroup) else { return };
        if !std::mem::replace(&mut known.removed, true) {
            self.v1_groups.remove(&known.name.path);
            self.removed.push_back(cgroup);
        }
    }

    pub(super) fn forget_removed(&mut self) {
        while self.removed.len() > REMEMBER_REMOVED {
            let Some(oldest) = self.removed.pop_front() else { return };
            if self.is_removed(oldest) {
                self.known.remove(&oldest);
            }
        }
    }

    /// The cgroups of the v2 hierarchy that exist as far as is known.
    pub(super) fn existing(&self) -> impl Iterator<Item = CgroupId> {
        self.known
            .iter()
            .filter(|(id, known)| !known.removed && id.0 & V1_MARK == 0 && **id != ConsumerId::OVERFLOW.cgroup)
            .map(|(id, _)| *id)
    }

    pub(super) fn v1_group(&mut self, path: &str) -> CgroupId {
        if path == "/" {
            return CgroupId::ROOT;
        }
        if let Some(known) = self.v1_groups.get(path) {
            return *known;
        }
        let group = CgroupId(V1_MARK | self.next_v1);
        self.next_v1 += 1;
        self.insert(group, path);
        self.v1_groups.insert(self.known[&group].name.path.clone(), group);
        group
    }

    pub(super) fn resume_v1_group(&mut self, group: CgroupId, path: &str) {
        self.next_v1 = self.next_v1.max((group.0 & !V1_MARK) + 1);
        self.insert(group, path);
        self.v1_groups.insert(self.known[&group].name.path.clone(), group);
    }

    pub(super) fn v1_groups_so_far(&self) -> u64 {
        self.next_v1
    }

    pub(super) fn v1_groups(&self) -> impl Iterator<Item = (CgroupId, &Arc<str>)> {
        self.v1_groups.iter().map(|(path, id)| (*id, path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_and_the_overflow_line_have_names_from_the_start() {
        let names = CgroupNames::default();
        assert_eq!(&*names.get(CgroupId::ROOT).unwrap().path, "/");
        assert_eq!(&*names.get(ConsumerId::OVERFLOW.cgroup).unwrap().path, "?overflow");
    }

    #[test]
    fn removed_cgroups_keep_their_path_for_a_while_but_not_for_ever() {
        let mut names = CgroupNames::default();
        for number in 2..20_000 {
            names.insert(CgroupId(number), "/made");
            names.remove(CgroupId(number));
            names.forget_removed();
        }
        assert!(names.get(CgroupId(19_999)).is_some());
        assert!(names.is_removed(CgroupId(19_999)));
        assert!(names.known.len() < 2 * REMEMBER_REMOVED);
    }

    #[test]
    fn a_v1_group_keeps_its_id_until_it_is_removed() {
        let mut names = CgroupNames::default();
        let first = names.v1_group("/docker/a");
        assert_eq!(names.v1_group("/docker/a"), first);
        assert_ne!(names.v1_group("/docker/b"), first);
        names.remove(first);
        assert_ne!(names.v1_group("/docker/a"), first);
        assert_eq!(names.v1_group("/"), CgroupId::ROOT);
    }
}
