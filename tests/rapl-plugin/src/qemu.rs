//! QEMU's side: its plugin interface (`qemu-plugin.h`), and the one place inside it that the interface does not reach
//! before QEMU 11, the function that emulates `rdmsr`.

use std::cell::Cell;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::sync::OnceLock;

use crate::{processors, registers};

/// The version of the interface that QEMU 9.1 to 10.0 has; newer ones take it too.
const INTERFACE: c_int = 4;

type PluginId = u64;
type ProcessorCallback = extern "C" fn(PluginId, u32);
/// Emulates `rdmsr` for the processor whose state this is. The state begins with the general registers, each of 64
/// bits, in the order of their numbers: RAX, RCX, RDX (`CPUArchState` in target/i386/cpu.h).
type ReadRegister = unsafe extern "C" fn(*mut u64);

const RAX: usize = 0;
const RCX: usize = 1;
const RDX: usize = 2;

/// The beginning of `TCGHelperInfo` (tcg/helper-info.h): what translated code is to call.
#[repr(C)]
struct HelperInfo {
    function: ReadRegister,
    name: *const c_char,
}

// SAFETY: declarations as in qemu-plugin.h of QEMU 10.0, and of an exported variable of qemu-system-x86_64.
unsafe extern "C" {
    fn qemu_plugin_register_vcpu_init_cb(id: PluginId, callback: ProcessorCallback);
    fn qemu_plugin_register_vcpu_idle_cb(id: PluginId, callback: ProcessorCallback);
    fn qemu_plugin_register_vcpu_resume_cb(id: PluginId, callback: ProcessorCallback);
    static mut helper_info_rdmsr: HelperInfo;
}

static ORIGINAL: OnceLock<ReadRegister> = OnceLock::new();

thread_local! {
    /// The processor that this thread of QEMU emulates.
    static PROCESSOR: Cell<usize> = const { Cell::new(0) };
}

/// Read by QEMU before anything else.
// SAFETY: no other symbol of that name is in QEMU, which looks for it in every plugin.
#[unsafe(no_mangle)]
pub(crate) static qemu_plugin_version: c_int = INTERFACE;

/// Called by QEMU once, before any processor runs. Other than 0 means that it is to end.
// SAFETY: no other symbol of that name is in QEMU, which looks for it in every plugin.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn qemu_plugin_install(
    id: PluginId,
    _info: *const c_void,
    count: c_int,
    arguments: *const *const c_char,
) -> c_int {
    for number in 0..usize::try_from(count).unwrap_or(0) {
        // SAFETY: QEMU passes `count` pointers to strings that end with a zero byte.
        let argument = unsafe { CStr::from_ptr(*arguments.add(number)) }.to_string_lossy();
        let number = argument.split_once('=').and_then(|(key, value)| Some((key, value.parse::<u32>().ok()?)));
        match number {
            Some(("package_cpus", processors)) => processors::set_package(processors as usize),
            Some(("dram_unit", unit)) => registers::set_memory_unit(unit),
            _ => {
                eprintln!("prony-rapl-plugin: '{argument}' is neither package_cpus=N nor dram_unit=N");
                return 1;
            }
        }
    }
    // SAFETY: the variable is QEMU's, laid out as declared, and nobody uses it before the first processor runs.
    let name = unsafe { CStr::from_ptr(helper_info_rdmsr.name) };
    if name != c"rdmsr" {
        eprintln!("prony-rapl-plugin: this QEMU is built otherwise than 10.0: its rdmsr is called {name:?}");
        return 1;
    }
    // SAFETY: as above; the function that takes its place has the same type.
    unsafe {
        let _ = ORIGINAL.set(helper_info_rdmsr.function);
        helper_info_rdmsr.function = read_register;
    }
    // SAFETY: the callbacks are of the declared type and are there as long as the plugin, which is never unloaded.
    unsafe {
        qemu_plugin_register_vcpu_init_cb(id, begins);
        qemu_plugin_register_vcpu_idle_cb(id, rests);
        qemu_plugin_register_vcpu_resume_cb(id, runs);
    }
    0
}

extern "C" fn begins(_id: PluginId, processor: u32) {
    PROCESSOR.set(processor as usize);
    processors::runs(processor as usize);
}

extern "C" fn runs(_id: PluginId, processor: u32) {
    PROCESSOR.set(processor as usize);
    processors::runs(processor as usize);
}

extern "C" fn rests(_id: PluginId, processor: u32) {
    processors::rests(processor as usize);
}

unsafe extern "C" fn read_register(state: *mut u64) {
    // SAFETY: translated code passes the processor's state, which begins with its registers, and stands still meanwhile.
    let number = unsafe { *state.add(RCX) } as u32;
    if let Some(value) = registers::read(number, processors::package_of(PROCESSOR.get())) {
        // SAFETY: as above.
        unsafe {
            *state.add(RAX) = value & 0xFFFF_FFFF;
            *state.add(RDX) = value >> 32;
        }
    } else if let Some(original) = ORIGINAL.get() {
        // SAFETY: QEMU's own function, with what it was to be called with.
        unsafe { original(state) }
    }
}
