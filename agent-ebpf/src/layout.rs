//! Where the kernel keeps what the programs need. The agent resolves these offsets from the running kernel's BTF and
//! passes them in before the programs are loaded; as constants of a frozen map they cost nothing and let the verifier
//! check every access.

use aya_ebpf::Global;

macro_rules! offsets {
    ($($(#[$doc:meta])* $name:ident;)*) => {
        $(
            $(#[$doc])*
            #[unsafe(no_mangle)]
            pub(crate) static $name: Global<u32> = Global::new(0);
        )*
    };
}

offsets! {
    /// `task_struct.pid`: the thread's id.
    TASK_PID;
    /// `task_struct.tgid`: the thread group's id.
    TASK_TGID;
    /// `task_struct.flags`.
    TASK_FLAGS;
    /// `task_struct.start_boottime`.
    TASK_START;
    /// `task_struct.group_leader`.
    TASK_LEADER;
    /// `task_struct.real_parent`.
    TASK_PARENT;
    /// `task_struct.comm`.
    TASK_COMM;
    /// `task_struct.cgroups`: a `css_set`.
    TASK_CGROUPS;
    /// `task_struct.signal`: a `signal_struct`.
    TASK_SIGNAL;
    /// `signal_struct.live`: how many threads have not ended.
    SIGNAL_LIVE;
    /// `task_struct.se`: a `sched_entity`.
    TASK_ENTITY;
    /// `sched_entity.exec_start`.
    ENTITY_BILLED_UNTIL;
    /// `sched_entity.sum_exec_runtime`.
    ENTITY_RAN;
    /// `sched_entity.prev_sum_exec_runtime`.
    ENTITY_RAN_BEFORE;
    /// `css_set.dfl_cgrp`: the cgroup of the v2 hierarchy.
    CSS_SET_CGROUP;
    /// `cgroup.kn`: a `kernfs_node`.
    CGROUP_NODE;
    /// `cgroup.root`: a `cgroup_root`.
    CGROUP_ROOT;
    /// `cgroup_root.hierarchy_id`: 0 for v2.
    ROOT_HIERARCHY;
    /// `kernfs_node.id`.
    NODE_ID;
    /// `linux_binprm.filename`.
    BINPRM_FILENAME;
    /// In the record of the tracepoint `sched_switch`: `next_pid`.
    SWITCH_NEXT_PID;
}

/// How many CPUs there can be.
#[unsafe(no_mangle)]
pub(crate) static CPU_COUNT: Global<u32> = Global::new(0);

/// Whether several CPUs share a shard, so that cells need atomic additions.
#[unsafe(no_mangle)]
pub(crate) static SHARED_SHARDS: Global<u32> = Global::new(0);

/// Whether the offsets above are known.
#[unsafe(no_mangle)]
pub(crate) static LAYOUT_KNOWN: Global<u32> = Global::new(0);

/// Whether the agent opens counters on the CPUs.
#[unsafe(no_mangle)]
pub(crate) static COUNTERS: Global<u32> = Global::new(0);

/// `PF_KTHREAD` (include/linux/sched.h): a thread of the kernel.
pub(crate) const PF_KTHREAD: u32 = 0x0020_0000;
