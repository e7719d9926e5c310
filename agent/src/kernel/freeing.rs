//! Giving slots back to the programs.

use std::ptr::write_volatile;
use std::sync::atomic::{AtomicU32, Ordering, fence};

use agent_ebpf::{ConsumerKey, RETURNED_AT_ONCE};
use aya::maps::{HashMap, MapData, Stack};
use aya::programs::ProgramError;

use crate::activity::Shards;
use crate::notice::Notice;

use super::arrays::Arrays;
use super::on_demand::{FREE_SLOTS, OnDemand};
use super::shared_array::SharedArray;

/// Removes consumers that have ended, and makes their slots free for others: many by one run of a program in the kernel,
/// or where it does not let programs be run (before 5.10) one after the other.
pub(super) struct Freeing {
    returned: Option<SharedArray<u64>>,
    consumers: HashMap<MapData, Key, u32>,
    free: Stack<MapData, u32>,
    failed: Notice,
}

/// [`ConsumerKey`] as a map key of aya's.
#[repr(transparent)]
#[derive(Clone, Copy, Debug)]
pub(super) struct Key(ConsumerKey);

// SAFETY: three integers and a padding that is always zero.
unsafe impl aya::Pod for Key {}

impl Freeing {
    /// `returned` tells the program which slots.
    pub(super) fn new(
        returned: SharedArray<u64>,
        consumers: HashMap<MapData, Key, u32>,
        free: Stack<MapData, u32>,
    ) -> Self {
        Self { returned: Some(returned), consumers, free, failed: Notice::new("slot_not_freed") }
    }

    /// Frees slots whose cells and marks have been cleared.
    pub(super) fn free(&mut self, slots: &[(u32, Shards)], arrays: &Arrays, programs: &mut OnDemand) {
        for some in slots.chunks(RETURNED_AT_ONCE as usize) {
            match self.free_at_once(some, programs) {
                Some(Ok(0)) => {}
                Some(Ok(failed)) => self.tell(format_args!("{failed} slots could not be freed")),
                Some(Err(error)) => {
                    tracing::debug!("slots are freed one by one, since programs cannot be run here: {error}");
                    self.returned = None;
                    self.free_one_by_one(some, arrays);
                }
                None => self.free_one_by_one(some, arrays),
            }
        }
    }

    /// How many could not be freed; `None` where this way is not there.
    fn free_at_once(&self, slots: &[(u32, Shards)], programs: &mut OnDemand) -> Option<Result<u32, ProgramError>> {
        let returned = self.returned.as_ref()?;
        for (place, &(slot, _)) in slots.iter().enumerate() {
            returned.set(place, u64::from(slot));
        }
        fence(Ordering::SeqCst);
        Some(programs.run(FREE_SLOTS, slots.len() as u64, None))
    }

    /// In the same order as the program: a slot goes to nobody else before no CPU remembers it.
    fn free_one_by_one(&mut self, slots: &[(u32, Shards)], arrays: &Arrays) {
        for &(slot, _) in slots {
            // It is there: only the agent removes consumers.
            let _ = self.consumers.remove(&Key(arrays.info.get(slot as usize).key));
            let owner = arrays.info.element(slot as usize);
            // SAFETY: `owner` lies in the mapping; the flags are what says that the rest is valid.
            unsafe { write_volatile(&raw mut (*owner).flags, 0) };
        }
        fence(Ordering::SeqCst);
        for cpu in 0..arrays.cpus.len() {
            let state = arrays.cpus.element(cpu);
            // SAFETY: `state` lies in the mapping, and whoever else writes this field adds to it atomically.
            unsafe { AtomicU32::from_ptr(&raw mut (*state).generation) }.fetch_add(1, Ordering::SeqCst);
        }
        for &(slot, _) in slots {
            if let Err(error) = self.free.push(slot, 0) {
                self.tell(format_args!("slot {slot} could not be freed ({error})"));
            }
        }
    }

    fn tell(&self, what: std::fmt::Arguments<'_>) {
        self.failed.warn(format_args!("{what}: out of use until the agent restarts"));
    }
}
