//! Whom the slots belong to, as far as the tracker has seen.

use std::collections::hash_map::Entry;

use rustc_hash::FxHashMap;

use crate::clock::Timestamp;
use crate::units::Nanoseconds;

use super::{Comm, ConsumerId, Pid, Shards};

/// One slot's owner.
#[derive(Clone, Copy, Debug)]
pub(super) struct Owner {
    pub(super) consumer: ConsumerId,
    pub(super) comm: Comm,
    /// Whether its process has ended.
    pub(super) ending: bool,
    /// The end of the last window in which it ran.
    pub(super) ran: Timestamp,
    /// Where it has run: its other cells are zero.
    pub(super) shards: Shards,
    /// Another slot of the same process, which it had in another cgroup before.
    pub(super) older: Option<u32>,
}

/// The owners by slot, and the slots of each process.
#[derive(Debug)]
pub(super) struct Owners {
    by_slot: Vec<Option<Owner>>,
    /// Each process's newest slot; the others follow by [`Owner::older`].
    newest_of: FxHashMap<(Pid, Nanoseconds), u32>,
    used: usize,
}

impl Owners {
    /// So many free slots.
    pub(super) fn new(slots: usize) -> Self {
        Self { by_slot: vec![None; slots], newest_of: FxHashMap::default(), used: 0 }
    }

    /// How many slots have an owner.
    pub(super) fn used(&self) -> usize {
        self.used
    }

    /// All owners.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Owner> {
        self.by_slot.iter().flatten()
    }

    /// All owners, each with its slot.
    pub(super) fn with_slots(&self) -> impl Iterator<Item = (u32, &Owner)> {
        (0..).zip(&self.by_slot).filter_map(|(slot, owner)| Some((slot, owner.as_ref()?)))
    }

    /// A slot's owner.
    pub(super) fn get(&self, slot: u32) -> Option<&Owner> {
        self.by_slot[slot as usize].as_ref()
    }

    /// A slot's owner, to be changed.
    pub(super) fn get_mut(&mut self, slot: u32) -> Option<&mut Owner> {
        self.by_slot[slot as usize].as_mut()
    }

    /// Gives a free slot to an owner who has run until `ran`.
    pub(super) fn insert(&mut self, slot: u32, consumer: ConsumerId, comm: Comm, ran: Timestamp) -> &mut Owner {
        let older = self.newest_of.insert((consumer.pid, consumer.start), slot);
        self.used += 1;
        let owner = Owner { consumer, comm, ending: false, ran, shards: Shards::default(), older };
        self.by_slot[slot as usize].insert(owner)
    }

    /// Marks a process as ended: calls `each` for those of its slots that were not marked before. Tells whether it has any.
    pub(super) fn end(&mut self, pid: Pid, start: Nanoseconds, mut each: impl FnMut(u32)) -> bool {
        let newest = self.newest_of.get(&(pid, start)).copied();
        let mut next = newest;
        while let Some(slot) = next
            && let Some(owner) = self.get_mut(slot)
        {
            next = owner.older;
            if !std::mem::replace(&mut owner.ending, true) {
                each(slot);
            }
        }
        newest.is_some()
    }

    /// Frees a slot and returns whose it was, and whether it was the last of its process.
    pub(super) fn remove(&mut self, slot: u32) -> Option<(Owner, bool)> {
        let owner = self.by_slot[slot as usize].take()?;
        self.used -= 1;
        if let Entry::Occupied(mut newest) = self.newest_of.entry((owner.consumer.pid, owner.consumer.start)) {
            if *newest.get() == slot {
                let Some(older) = owner.older else {
                    newest.remove();
                    return Some((owner, true));
                };
                *newest.get_mut() = older;
            } else {
                let newest = *newest.get();
                self.unlink(newest, slot, owner.older);
            }
        }
        Some((owner, false))
    }

    /// Takes `slot` out of the chain that begins with `newer`.
    fn unlink(&mut self, newest: u32, slot: u32, older: Option<u32>) {
        let mut newer = Some(newest);
        while let Some(owner) = newer.and_then(|newer| self.get_mut(newer)) {
            if owner.older == Some(slot) {
                owner.older = older;
                return;
            }
            newer = owner.older;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::activity::CgroupId;

    const PID: Pid = Pid(7);
    const START: Nanoseconds = Nanoseconds(3);

    fn ended(owners: &mut Owners) -> Vec<u32> {
        let mut slots = Vec::new();
        owners.end(PID, START, |slot| slots.push(slot));
        slots
    }

    fn moved_about(slots: &[u32]) -> Owners {
        let mut owners = Owners::new(16);
        for &slot in slots {
            let consumer = ConsumerId { cgroup: CgroupId(u64::from(slot)), pid: PID, start: START };
            owners.insert(slot, consumer, Comm::new("x"), Timestamp(1));
        }
        owners
    }

    #[test]
    fn all_slots_of_a_process_end_with_it_each_once() {
        let mut owners = moved_about(&[4, 9, 2]);
        assert_eq!(ended(&mut owners), [2, 9, 4]);
        assert!(ended(&mut owners).is_empty());
        assert!(!owners.end(Pid(8), START, |slot| panic!("{slot}")));
    }

    #[test]
    fn slots_are_freed_in_any_order() {
        for order in [[4, 9, 2], [2, 9, 4], [9, 2, 4], [9, 4, 2], [4, 2, 9], [2, 4, 9]] {
            let mut owners = moved_about(&[4, 9, 2]);
            for (freed, slot) in order.into_iter().enumerate() {
                assert_eq!(owners.used(), 3 - freed);
                let (owner, last) = owners.remove(slot).unwrap();
                assert_eq!((owner.consumer.cgroup, last), (CgroupId(u64::from(slot)), freed == 2));
                assert!(owners.remove(slot).is_none());
            }
            assert_eq!((owners.used(), owners.newest_of.len()), (0, 0));
        }
        let mut owners = moved_about(&[4, 9, 2]);
        owners.remove(9);
        assert_eq!(ended(&mut owners), [2, 4]);
    }
}
