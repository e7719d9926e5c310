//! Reading a task, by two ways that differ in who checks the pointers.

use aya_ebpf::helpers::bpf_probe_read_kernel;

use crate::layout::{
    CGROUP_NODE, CSS_SET_CGROUP, ENTITY_BILLED_UNTIL, ENTITY_RAN, ENTITY_RAN_BEFORE, NODE_ID, TASK_CGROUPS, TASK_COMM,
    TASK_ENTITY, TASK_FLAGS, TASK_LEADER, TASK_PARENT, TASK_PID, TASK_START, TASK_TGID,
};

/// How kernel memory is read.
pub(crate) trait Reader {
    /// The value at `base + offset`.
    ///
    /// # Safety
    /// `base` is a pointer that the kernel gave to the program, or was read from one, and `offset` is that of a field of type `T`.
    unsafe fn read<T: Copy + Default>(base: *const u8, offset: u32) -> T;
}

/// Plain loads from pointers whose type the verifier knows (`tp_btf`); a fault reads zeros. Kernel 5.5.
pub(crate) struct Trusted;

impl Reader for Trusted {
    #[inline(always)]
    unsafe fn read<T: Copy + Default>(base: *const u8, offset: u32) -> T {
        // SAFETY: the verifier has checked base and offset against the kernel's BTF.
        unsafe { base.add(offset as usize).cast::<T>().read() }
    }
}

/// `bpf_probe_read_kernel`, for pointers that the verifier takes for numbers.
pub(crate) struct Probing;

impl Reader for Probing {
    #[inline(always)]
    unsafe fn read<T: Copy + Default>(base: *const u8, offset: u32) -> T {
        // SAFETY: the helper checks the address itself.
        unsafe { bpf_probe_read_kernel(base.add(offset as usize).cast::<T>()) }.unwrap_or_default()
    }
}

/// A `task_struct`.
pub(crate) struct Task<R> {
    pointer: *const u8,
    reader: core::marker::PhantomData<R>,
}

impl<R: Reader> Task<R> {
    /// # Safety
    /// `pointer` is a `task_struct` that lives while the program runs.
    #[inline(always)]
    pub(crate) unsafe fn new(pointer: *const u8) -> Self {
        Self { pointer, reader: core::marker::PhantomData }
    }

    /// The task's address.
    #[inline(always)]
    pub(crate) fn address(&self) -> *const u8 {
        self.pointer
    }

    #[inline(always)]
    fn field<T: Copy + Default>(&self, offset: u32) -> T {
        // SAFETY: `pointer` is a task, and the offsets of this module are those of its fields.
        unsafe { R::read(self.pointer, offset) }
    }

    #[inline(always)]
    fn pointer(&self, offset: u32) -> *const u8 {
        self.field::<usize>(offset) as *const u8
    }

    /// The thread's id; 0 for the idle tasks.
    #[inline(always)]
    pub(crate) fn tid(&self) -> u32 {
        self.field(TASK_PID.load())
    }

    /// The thread group's id.
    #[inline(always)]
    pub(crate) fn tgid(&self) -> u32 {
        self.field(TASK_TGID.load())
    }

    /// `PF_*`.
    #[inline(always)]
    pub(crate) fn flags(&self) -> u32 {
        self.field(TASK_FLAGS.load())
    }

    /// When the thread was started, nanoseconds of the boot clock.
    #[inline(always)]
    pub(crate) fn start(&self) -> u64 {
        self.field(TASK_START.load())
    }

    /// The thread group's first thread.
    #[inline(always)]
    pub(crate) fn leader(&self) -> Self {
        Self { pointer: self.pointer(TASK_LEADER.load()), reader: core::marker::PhantomData }
    }

    /// The thread group's parent.
    #[inline(always)]
    pub(crate) fn parent(&self) -> Self {
        Self { pointer: self.pointer(TASK_PARENT.load()), reader: core::marker::PhantomData }
    }

    /// Until when the scheduler has billed the task, nanoseconds of its clock of the CPU (`rq_clock_task`). At a switch that
    /// is when the one task's time ended, and when the other's began.
    #[inline(always)]
    pub(crate) fn billed_until(&self) -> u64 {
        self.entity(ENTITY_BILLED_UNTIL.load())
    }

    /// How long the scheduler has billed the task since it came to its CPU, nanoseconds. Not kept for real-time tasks.
    #[inline(always)]
    pub(crate) fn billed_since_it_came(&self) -> u64 {
        self.entity(ENTITY_RAN.load()).wrapping_sub(self.entity(ENTITY_RAN_BEFORE.load()))
    }

    #[inline(always)]
    fn entity(&self, offset: u32) -> u64 {
        self.field(TASK_ENTITY.load() + offset)
    }

    /// The command name.
    #[inline(always)]
    pub(crate) fn comm(&self) -> [u8; 16] {
        // SAFETY: the helper checks the address itself; the field is `char comm[TASK_COMM_LEN]`, 16 bytes.
        unsafe { Probing::read(self.pointer, TASK_COMM.load()) }
    }

    /// The task's set of cgroups in all hierarchies. It is another one whenever the task has been moved.
    #[inline(always)]
    pub(crate) fn css_set(&self) -> *const u8 {
        self.pointer(TASK_CGROUPS.load())
    }

    /// The id of the task's cgroup in the v2 hierarchy (`task_dfl_cgroup` and `cgroup_id` in the kernel).
    #[inline(always)]
    pub(crate) fn cgroup(&self) -> u64 {
        let css_set = self.css_set();
        // SAFETY: each pointer is a field of the one before, by the kernel's own types.
        unsafe {
            let cgroup = R::read::<usize>(css_set, CSS_SET_CGROUP.load()) as *const u8;
            let node = R::read::<usize>(cgroup, CGROUP_NODE.load()) as *const u8;
            R::read(node, NODE_ID.load())
        }
    }

    /// A pointer field of the task, for what has no accessor here.
    #[inline(always)]
    pub(crate) fn follow(&self, offset: u32) -> *const u8 {
        self.pointer(offset)
    }
}
