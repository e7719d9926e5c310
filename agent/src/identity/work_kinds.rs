//! Who of those that ran in a window does the same kind of work.

use std::hash::{Hash as _, Hasher as _};
use std::sync::Arc;

use rustc_hash::FxHasher;

use crate::activity::{ActivityWindow, CgroupId, ConsumerId, WorkKind, WorkKinds};
use crate::clock::Timestamp;

use super::Names;

/// Those of who ran in a window, as of its end: a function's containers, else a cgroup; and where a cgroup holds whatever a
/// machine or somebody logged in runs, all processes of a command. The kernel's own threads are one.
pub fn work_kinds(window: &ActivityWindow, names: &Names) -> Arc<WorkKinds> {
    let mut kinds = WorkKinds::default();
    let mut before = (None, false);
    for slice in &window.slices {
        let cgroup = slice.consumer.cgroup;
        // Slices of a cgroup mostly follow each other.
        if before.0.replace(cgroup) != Some(cgroup) {
            before.1 = names.cgroup(cgroup).is_some_and(|known| holds_anything(&known.path));
            if let Some(function) = function_of(cgroup, names, window.to) {
                kinds.insert(cgroup, function);
            }
        }
        if before.1
            && let Some(kind) = of_process(&slice.consumer, names, window.to)
        {
            kinds.insert_process(slice.consumer, kind);
        }
    }
    Arc::new(kinds)
}

/// Whether the processes of a cgroup have nothing to do with each other: the root, and sessions of logind
/// (`session-<id>.scope`).
fn holds_anything(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    let session = name.strip_prefix("session-").and_then(|rest| rest.strip_suffix(".scope"));
    name.is_empty() || session.is_some()
}

fn function_of(cgroup: CgroupId, names: &Names, at: Timestamp) -> Option<WorkKind> {
    let container = names.cgroup(cgroup)?.container.as_ref()?;
    let function = names.workloads().function_of(container, at)?;
    Some(WorkKind::Function(u64::from(function.0)))
}

/// By the group that it has in a hierarchy of cgroup v1, else by its command.
fn of_process(consumer: &ConsumerId, names: &Names, at: Timestamp) -> Option<WorkKind> {
    let known = names.consumer(consumer)?;
    if known.cgroup != consumer.cgroup {
        return function_of(known.cgroup, names, at).or(Some(WorkKind::Cgroup(known.cgroup)));
    }
    let mut hasher = FxHasher::default();
    known.comm_text.hash(&mut hasher);
    (!known.kernel_thread).then(|| WorkKind::Command(hasher.finish()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::activity::{Comm, Pid, ShardId, Slice};
    use crate::identity::FunctionRules;
    use crate::units::Nanoseconds;

    #[test]
    fn commands_are_told_apart_where_cgroups_say_nothing() {
        let mut names = Names::new(FunctionRules::new(None));
        for (cgroup, path) in [(1, "/"), (2, "/user.slice/session-7.scope"), (3, "/system.slice/cron.service")] {
            names.set_cgroup_path(CgroupId(cgroup), path);
        }
        let consumer =
            |cgroup: u64, pid: u32| ConsumerId { cgroup: CgroupId(cgroup), pid: Pid(pid), ..ConsumerId::default() };
        let processes = [
            (1, 10, "make"),
            (2, 11, "make"),
            (2, 12, "vi"),
            (3, 13, "cron"),
            (1, 14, "kworker/0:1"),
            (1, 15, "rcu_preempt"),
        ];
        for (cgroup, pid, comm) in processes {
            names.name(consumer(cgroup, pid), Pid(1), Comm::new(comm), pid > 13);
        }
        let slices = processes.map(|(cgroup, pid, _)| Slice {
            consumer: consumer(cgroup, pid),
            shard: ShardId(0),
            cpu_time: Nanoseconds(1),
        });
        let window = ActivityWindow { slices: slices.to_vec(), ..ActivityWindow::default() };
        let kinds = work_kinds(&window, &names);
        let kind = |pid: u32| {
            let slice = slices.iter().find(|slice| slice.consumer.pid == Pid(pid)).expect("it ran");
            kinds.of(&slice.consumer)
        };
        assert!(matches!(kind(10), WorkKind::Command(_)) && kind(10) == kind(11));
        assert_ne!(kind(11), kind(12));
        assert_eq!(kind(13), WorkKind::Cgroup(CgroupId(3)));
        assert_eq!([kind(14), kind(15)], [WorkKind::Cgroup(CgroupId::ROOT); 2], "threads of the kernel");
    }
}
