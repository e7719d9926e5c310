//! An array map of the kernel, mapped into this process.

use std::marker::PhantomData;
use std::os::fd::AsFd;
use std::ptr::NonNull;

use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

/// Types that any bytes are a value of, so that what the kernel writes can always be read as one.
///
/// # Safety
/// The type has no padding that is read, no pointers and no invalid values.
pub(super) unsafe trait Plain: Copy {}

// SAFETY: integers, and structures of integers and arrays of them without padding (asserted where they are defined).
unsafe impl Plain for u8 {}
// SAFETY: as above.
unsafe impl Plain for u64 {}
// SAFETY: as above.
unsafe impl Plain for agent_ebpf::CpuState {}
// SAFETY: as above.
unsafe impl Plain for agent_ebpf::SlotInfo {}
// SAFETY: as above.
unsafe impl Plain for agent_ebpf::Counted {}

/// The elements of a `BPF_MAP_TYPE_ARRAY` made with `BPF_F_MMAPABLE`. Kernel and agent write to it at the same time, so
/// every access is volatile and no reference to an element is ever made.
#[derive(Debug)]
pub(super) struct SharedArray<T> {
    start: NonNull<T>,
    elements: usize,
    bytes: usize,
    element: PhantomData<T>,
}

// SAFETY: the mapping belongs to this value alone in this process; accesses are volatile and copy.
unsafe impl<T: Plain> Send for SharedArray<T> {}

impl<T: Plain> SharedArray<T> {
    /// Maps `elements` values of the map behind `fd`. The map's own element size must be that of `T`, or `T` one byte.
    pub(super) fn map(fd: impl AsFd, elements: usize) -> std::io::Result<Self> {
        // The kernel lays elements out in steps of eight bytes (kernel/bpf/arraymap.c).
        const { assert!(size_of::<T>() == 1 || size_of::<T>().is_multiple_of(8)) };
        let bytes = (elements * size_of::<T>()).next_multiple_of(rustix::param::page_size());
        // SAFETY: a fresh shared mapping at an address of the kernel's choice touches no memory of ours.
        let start =
            unsafe { mmap(std::ptr::null_mut(), bytes, ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED, fd, 0) }?;
        let start = NonNull::new(start.cast()).ok_or(std::io::ErrorKind::InvalidData)?;
        Ok(Self { start, elements, bytes, element: PhantomData })
    }

    /// Of no map: zeros that are this process's alone.
    #[cfg(test)]
    pub(super) fn anonymous(elements: usize) -> Self {
        let bytes = (elements * size_of::<T>()).next_multiple_of(rustix::param::page_size());
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a fresh mapping at an address of the kernel's choice touches no memory of ours.
        let start =
            unsafe { rustix::mm::mmap_anonymous(std::ptr::null_mut(), bytes, protection, MapFlags::PRIVATE) }.unwrap();
        Self { start: NonNull::new(start.cast()).unwrap(), elements, bytes, element: PhantomData }
    }

    /// How many elements there are.
    pub(super) fn len(&self) -> usize {
        self.elements
    }

    fn pointer(&self, index: usize) -> NonNull<T> {
        assert!(index < self.elements, "element {index} of {}", self.elements);
        // SAFETY: the index was checked, and the mapping has room for all elements.
        unsafe { self.start.add(index) }
    }

    /// A copy of an element.
    pub(super) fn get(&self, index: usize) -> T {
        // SAFETY: the pointer is valid and aligned (a page's start plus whole elements), and `T` takes any bytes.
        unsafe { self.pointer(index).read_volatile() }
    }

    /// Overwrites an element.
    pub(super) fn set(&self, index: usize, value: T) {
        // SAFETY: as for `get`.
        unsafe { self.pointer(index).write_volatile(value) }
    }

    /// A pointer to an element, for volatile access to its fields.
    pub(super) fn element(&self, index: usize) -> *mut T {
        self.pointer(index).as_ptr()
    }
}

impl SharedArray<u8> {
    /// The eight bytes from `index`, which is a multiple of eight.
    pub(super) fn word(&self, index: usize) -> u64 {
        assert!(index.is_multiple_of(8) && index + 8 <= self.elements);
        // SAFETY: in bounds and aligned, as just asserted.
        unsafe { self.start.add(index).cast::<u64>().read_volatile() }
    }
}

impl<T> Drop for SharedArray<T> {
    fn drop(&mut self) {
        // SAFETY: the mapping was made with these numbers and nobody holds a reference into it.
        let unmapped = unsafe { munmap(self.start.as_ptr().cast(), self.bytes) };
        debug_assert!(unmapped.is_ok());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_apart_and_keep_what_is_written() {
        let array = SharedArray::<u64>::anonymous(1_000);
        assert_eq!((array.len(), array.get(999)), (1_000, 0));
        array.set(998, u64::MAX);
        array.set(999, 7);
        assert_eq!([997, 998, 999].map(|index| array.get(index)), [0, u64::MAX, 7]);
        // SAFETY: the element lies in the mapping.
        assert_eq!(unsafe { array.element(999).read_volatile() }, 7);
    }

    #[test]
    fn eight_bytes_are_read_at_once() {
        let array = SharedArray::<u8>::anonymous(24);
        array.set(23, 1);
        assert_eq!((array.word(8), array.word(16).to_ne_bytes()), (0, [0, 0, 0, 0, 0, 0, 0, 1]));
    }

    #[test]
    #[should_panic(expected = "element 24 of 24")]
    fn what_is_beyond_the_last_element_is_not_touched() {
        SharedArray::<u8>::anonymous(24).get(24);
    }
}
