//! Where the kernel keeps what the programs read by themselves; filled in by the agent from the kernel's BTF.

use aya_ebpf::Global;
use aya_ebpf::helpers::bpf_probe_read_kernel;

/// `task_struct.pid`: the thread's id.
#[unsafe(no_mangle)]
pub(crate) static TASK_PID: Global<u32> = Global::new(0);

/// `task_struct.tgid`: the thread group's id.
#[unsafe(no_mangle)]
pub(crate) static TASK_TGID: Global<u32> = Global::new(0);

/// `task_struct.__state`, or `state` before kernel 5.14: 0 for a task that could go on.
#[unsafe(no_mangle)]
pub(crate) static TASK_STATE: Global<u32> = Global::new(0);

/// `sock_common.skc_cookie`, from the beginning of a `sock`: 0 for a socket whose cookie nobody has asked for.
#[unsafe(no_mangle)]
pub(crate) static SOCK_COOKIE: Global<u32> = Global::new(0);

/// A field of a structure of the kernel's.
///
/// # Safety
/// `base` is a pointer that the tracepoint gave, and `offset` that of a field of type `T`.
#[inline(always)]
pub(crate) unsafe fn field<T: Copy>(base: *const u8, offset: &Global<u32>) -> T {
    // SAFETY: the verifier has checked base and offset against the kernel's BTF; a fault reads zeros.
    unsafe { base.add(offset.load() as usize).cast::<T>().read() }
}

/// The same of a pointer that the verifier takes for a number; 0 where it cannot be read.
///
/// # Safety
/// `offset` is that of a field of type `T` in what `base` points to.
#[inline(always)]
pub(crate) unsafe fn probe<T: Copy + Default>(base: *const u8, offset: &Global<u32>) -> T {
    // SAFETY: the helper checks the address itself.
    unsafe { bpf_probe_read_kernel(base.add(offset.load() as usize).cast::<T>()) }.unwrap_or_default()
}
